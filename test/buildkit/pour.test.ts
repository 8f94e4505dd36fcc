import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { BytesMessage } from "../../src/buildkit/generated/file-send.ts";
import { frameMessage } from "../../src/buildkit/grpc-frames.ts";
import { frameType, maxFrameBytes } from "../../src/buildkit/http2-frames.ts";
import type { Http2Stream } from "../../src/buildkit/http2-stream.ts";
import { pour } from "../../src/buildkit/pour.ts";
import { call, createServerSide, endStream, frame, framesOf, number32 } from "./http2-wire.ts";

const windowBytes = 4 * 1024 * 1024;

/** A call that sends bytes, and a sink that takes a piece only when it is told to. */
function createPouring() {
  const side = createServerSide({ windowBytes });
  side.greet();
  side.say(call(1));
  const stream = side.calls[0]?.stream as Http2Stream;
  const taken: Buffer[] = [];
  let takeNext: (() => void) | undefined;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      takeNext = () => {
        taken.push(Buffer.from(chunk));
        takeNext = undefined;
        done();
      };
    },
  });
  const poured = pour({ stream, header: () => [], signal: stream.signal, onMessage: () => undefined }, sink);
  const send = (bytes: Buffer) => {
    const message = frameMessage(BytesMessage.encode({ data: bytes }).finish());
    for (let at = 0; at < message.length; at += maxFrameBytes) {
      side.say(frame(frameType.data, { stream: 1, payload: message.subarray(at, at + maxFrameBytes) }));
    }
  };
  const widened = () =>
    framesOf(side.outlet.take()).filter(({ type, stream: id }) => type === frameType.windowUpdate && id === 1).length;
  return { ...side, stream, sink, poured, taken, send, widened, takeOne: () => takeNext?.() };
}

test("what comes is written whole and in order, and a sink that takes nothing holds the daemon back", async () => {
  const { say, poured, taken, send, widened, takeOne, outlet } = createPouring();
  outlet.take();
  const bytes = randomBytes(3_500_000);
  send(bytes);
  expect(widened()).toBeLessThanOrEqual(2);
  say(frame(frameType.data, { flags: endStream, stream: 1 }));
  const end = poured.then(() => true);
  while (!(await Promise.race([end, new Promise((resolve) => setImmediate(resolve, false))]))) takeOne();
  expect(Buffer.concat(taken).equals(bytes)).toBe(true);
});

test("a call that breaks off ends the sink with an error", async () => {
  const { say, poured, send, sink } = createPouring();
  send(randomBytes(10));
  say(frame(frameType.reset, { stream: 1, payload: number32(8) }));
  await expect(poured).rejects.toThrow("the daemon has given the call up (8)");
  expect(sink.destroyed).toBe(true);
});

test("a sink that fails is told", async () => {
  const { poured, sink } = createPouring();
  sink.destroy(new Error("no space left"));
  await expect(poured).rejects.toThrow("no space left");
});
