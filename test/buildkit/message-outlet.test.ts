import { expect, test } from "vitest";
import { createBytesReader } from "../../src/buildkit/bytes-messages.ts";
import { Http2Connection } from "../../src/buildkit/http2-connection.ts";
import { frameType, maxFrameBytes } from "../../src/buildkit/http2-frames.ts";
import { MessageOutlet } from "../../src/buildkit/message-outlet.ts";
import { frame, framesOf, KeepingOutlet, number32, settings } from "./http2-wire.ts";

/** An outlet on a call whose other side has said nothing but its SETTINGS: it takes 65 535 bytes. */
function createCall() {
  const outlet = new KeepingOutlet();
  const connection = new Http2Connection("client", {
    outlet,
    windowBytes: 1024 * 1024,
    streamWindowBytes: 1024 * 1024,
    onHeaders: () => undefined,
    onEnd: () => undefined,
    onRoom: () => messages.catchUp(),
  });
  const messages = new MessageOutlet(connection.request([[":path", "/a.B/C"]]));
  connection.receive(settings, 0, settings.length);
  outlet.take();
  const write = (text: string) => {
    const bytes = Buffer.from(text);
    messages.begin(bytes.length);
    messages.put(bytes, 0, 5);
    messages.put(bytes, 5, bytes.length);
  };
  const widen = (bytes: number) => {
    for (const stream of [0, 1]) {
      const update = frame(frameType.windowUpdate, { stream, payload: number32(bytes) });
      connection.receive(update, 0, update.length);
    }
  };
  const sent = () => framesOf(outlet.take()).filter(({ type }) => type === frameType.data);
  return { messages, write, widen, sent };
}

function textOf(frames: readonly { payload: Buffer }[]): string {
  let text = "";
  const read = createBytesReader((chunk, start, end) => {
    text += chunk.toString("latin1", start, end);
  });
  for (const { payload } of frames) read(payload, 0, payload.length);
  return text;
}

test("a message that is as long as there is room for lies in one frame", () => {
  const { messages, write, sent } = createCall();
  write("x".repeat(messages.room()));
  const frames = sent();
  expect(frames.map(({ length }) => length)).toEqual([maxFrameBytes - 3]);
  expect(textOf(frames)).toBe("x".repeat(maxFrameBytes - 11));
});

test("what finds no room waits, in order, and tells how much it is", () => {
  const { messages, write, widen, sent } = createCall();
  for (let at = 0; at < 4; at++) write("x".repeat(Math.min(16_000, messages.room())));
  sent();
  write("first ".repeat(400));
  write("second");
  expect(messages.room()).toBe(-2406);
  expect(sent()).toEqual([]);
  widen(2000);
  expect(textOf(sent())).toBe(`${"first ".repeat(400)}second`);
  expect(messages.room()).toBeGreaterThan(0);
});

test("what is longer than one frame is sent nevertheless", () => {
  const { write, widen, sent } = createCall();
  write("y".repeat(40_000));
  write("z".repeat(40_000));
  expect(textOf(sent())).toBe("y".repeat(40_000));
  widen(40_000);
  expect(textOf(sent())).toBe("z".repeat(40_000));
});
