import { expect, test } from "vitest";
import { createBytesHead, createBytesReader, writeBytesHead } from "../../src/buildkit/bytes-messages.ts";
import { BytesMessage } from "../../src/buildkit/generated/file-send.ts";
import { frameMessage } from "../../src/buildkit/grpc-frames.ts";

/** Reads a stream that comes in pieces of so many bytes. */
function read(stream: Buffer, pieceBytes: number): string {
  let text = "";
  const take = createBytesReader((chunk, start, end) => {
    text += chunk.toString("latin1", start, end);
  });
  for (let at = 0; at < stream.length; at += pieceBytes) take(stream, at, Math.min(stream.length, at + pieceBytes));
  return text;
}

test("the data of messages is passed on wherever their stream is cut", () => {
  const texts = ["a", "", "b".repeat(127), "c".repeat(128), "d".repeat(20_000)];
  const frames = texts.map((text) => frameMessage(BytesMessage.encode({ data: Buffer.from(text) }).finish()));
  const stream = Buffer.concat([...frames, Buffer.from([0, 0, 0, 0, 2, 0x0a, 0])]);
  for (const pieceBytes of [1, 2, 3, 7, 100, stream.length]) expect(read(stream, pieceBytes)).toBe(texts.join(""));
});

test.for([1, 127, 128, 16_383, 16_384, 2 ** 21, 2 ** 28])("the head of %i bytes is what a protobuf has", (length) => {
  const head = createBytesHead();
  const written = head.subarray(0, writeBytesHead(head, length));
  const message = Buffer.from(BytesMessage.encode({ data: Buffer.alloc(Math.min(length, 2 ** 21)) }).finish());
  if (length <= 2 ** 21) expect(written).toEqual(frameMessage(message).subarray(0, written.length));
  expect(written.readUInt32BE(1)).toBe(written.length - 5 + length);
});

test.for([
  ["compressed", "010000000000", /compressed/],
  ["of another field", "0000000003120161", /not one of bytes/],
  ["of a number", "00000000020801", /not one of bytes/],
  ["longer than its data", "00000000040a016162", /not one of bytes/],
  ["shorter than its data", "00000000020a05", /not one of bytes/],
  ["of a length without an end", "000000000a0affffffffffffff", /not one of bytes/],
] as const)("a message that is %s is refused", ([, hex, why]) => {
  expect(() => read(Buffer.from(hex, "hex"), 1)).toThrow(why);
});
