import { expect, test } from "vitest";
import { encodeHeaders, type Header } from "../../src/buildkit/hpack.ts";
import { frameType, maxFrameBytes } from "../../src/buildkit/http2-frames.ts";
import type { Http2Stream } from "../../src/buildkit/http2-stream.ts";
import { call, createServerSide, endHeaders, endStream, frame, framesOf, number32 } from "./http2-wire.ts";

test("what was under way for a call that is over is no fault, and its window is given back", () => {
  const { outlet, calls, ends, say, greet } = createServerSide();
  greet();
  say(call(1));
  calls[0]?.stream.finish([["grpc-status", "0"]]);
  outlet.take();
  for (let at = 0; at < 200; at++) say(frame(frameType.data, { stream: 1, payload: Buffer.alloc(maxFrameBytes) }));
  say(frame(frameType.reset, { stream: 1, payload: number32(0) }));
  say(frame(frameType.windowUpdate, { stream: 1, payload: number32(1) }));
  expect(ends).toEqual([]);
  const widened = framesOf(outlet.take()).filter(({ type }) => type === frameType.windowUpdate);
  expect(new Set(widened.map(({ stream }) => stream))).toEqual(new Set([0]));
});

test("a PING is answered at once, also in the middle of an upload for which there is no window", () => {
  const { outlet, calls, say, greet } = createServerSide();
  greet();
  say(call(1));
  calls[0]?.stream.write(Buffer.alloc(1024 * 1024));
  outlet.take();
  say(frame(frameType.ping, { payload: "abcdefgh" }));
  expect(framesOf(outlet.take())).toEqual([
    { length: 8, type: frameType.ping, flags: 1, stream: 0, payload: Buffer.from("abcdefgh") },
  ]);
});

test("two windows hold DATA back, and a smaller first window takes back what was given", () => {
  const { outlet, calls, say, greet } = createServerSide();
  greet();
  say(call(1));
  calls[0]?.stream.write(Buffer.alloc(100_000));
  const sent = () =>
    framesOf(outlet.take())
      .filter(({ type }) => type === frameType.data)
      .reduce((sum, { length }) => sum + length, 0);
  expect(sent()).toBe(65_535);
  say(frame(frameType.windowUpdate, { stream: 1, payload: number32(1000) }));
  expect(sent()).toBe(0);
  say(frame(frameType.windowUpdate, { payload: number32(5000) }));
  expect(sent()).toBe(1000);
  // The window of streams shrinks by 535: this one's is below zero now, and has to be widened past it first.
  say(frame(frameType.settings, { payload: Buffer.from("00040000fde8", "hex") }));
  say(frame(frameType.windowUpdate, { stream: 1, payload: number32(535) }));
  expect(sent()).toBe(0);
  say(frame(frameType.windowUpdate, { stream: 1, payload: number32(10) }));
  expect(sent()).toBe(10);
});

test("several calls take turns where there is little room", () => {
  const { outlet, calls, connection, say, greet } = createServerSide();
  greet();
  say(frame(frameType.windowUpdate, { payload: number32(10_000_000) }), call(1), call(3));
  outlet.take();
  outlet.roomBytes = 0;
  for (const { stream } of calls) stream.write(Buffer.alloc(50_000));
  outlet.roomBytes = 60_000;
  connection.pump();
  const streams = framesOf(outlet.take()).map(({ stream }) => stream);
  expect(new Set(streams)).toEqual(new Set([1, 3]));
});

test("headers are whole however they are cut, padded and prioritised, and repeated ones stay apart", () => {
  const { calls, say, greet } = createServerSide();
  greet();
  const headers: Header[] = [
    [":path", "/a.B/C"],
    ...Array.from({ length: 20_000 }, (_, at) => ["exclude-patterns", `dir-${at}, *`] as const),
  ];
  const block = encodeHeaders(headers);
  const first = Buffer.concat([Buffer.from([3]), Buffer.alloc(5), block.subarray(0, 7), Buffer.alloc(3)]);
  say(frame(frameType.headers, { flags: 0x28 | endStream, stream: 1, payload: first }));
  for (let at = 7; at < block.length; at += maxFrameBytes) {
    const flags = at + maxFrameBytes >= block.length ? endHeaders : 0;
    say(frame(frameType.continuation, { flags, stream: 1, payload: block.subarray(at, at + maxFrameBytes) }));
  }
  expect(calls[0]?.headers).toEqual(headers);
});

test("what comes before anybody listens is kept, and what comes while it is held waits for its window", () => {
  const { outlet, calls, say, greet } = createServerSide({ windowBytes: 65_535 });
  greet();
  say(call(1), frame(frameType.data, { stream: 1, payload: "early " }));
  const stream = calls[0]?.stream as Http2Stream;
  const heard: string[] = [];
  stream.hold();
  stream.listen({
    onBytes: (chunk, start, end) => void heard.push(chunk.toString("latin1", start, Math.min(end, start + 6))),
    onEnd: () => void heard.push("end"),
  });
  outlet.take();
  say(frame(frameType.data, { stream: 1, payload: Buffer.alloc(16_384, "l") }));
  say(
    frame(frameType.data, {
      flags: 8,
      stream: 1,
      payload: Buffer.concat([Buffer.from([2]), Buffer.from("padded"), Buffer.alloc(2)]),
    }),
  );
  expect(heard).toEqual(["early ", "llllll", "padded"]);
  const updates = () =>
    framesOf(outlet.take()).filter(({ type, stream: id }) => type === frameType.windowUpdate && id === 1);
  expect(updates()).toEqual([]);
  stream.release();
  expect(updates()).toHaveLength(1);
  say(frame(frameType.data, { flags: endStream, stream: 1 }));
  expect(heard.at(-1)).toBe("end");
});
