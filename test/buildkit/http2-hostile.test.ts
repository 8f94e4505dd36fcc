import { describe, expect, test } from "vitest";
import { frameType, maxFrameBytes } from "../../src/buildkit/http2-frames.ts";
import {
  call,
  callHeaders,
  createServerSide,
  endHeaders,
  frame,
  framesOf,
  number32,
  preface,
  settings,
} from "./http2-wire.ts";

describe("a daemon that", () => {
  const ping = frame(frameType.ping, { payload: "12345678" });
  const data = (stream: number, payload: Uint8Array | string, flags = 0) =>
    frame(frameType.data, { stream, payload, flags });
  const set = (hex: string) => frame(frameType.settings, { payload: Buffer.from(hex, "hex") });
  const widen = (bytes: number) => frame(frameType.windowUpdate, { payload: number32(bytes) });
  const reset = (stream: number) => frame(frameType.reset, { stream, payload: number32(8) });
  const headers = (payload: Uint8Array, stream = 1) => frame(frameType.headers, { stream, payload });
  const more = (payload: Uint8Array) => frame(frameType.continuation, { stream: 1, payload });
  const often = (count: number, bytes: Buffer) => Array<Buffer>(count).fill(bytes);
  const full = Buffer.alloc(maxFrameBytes);
  const wrong = frame(frameType.headers, { flags: endHeaders, stream: 1, payload: Buffer.from([0xff]) });
  const givenUp = Array.from({ length: 6000 }, (_, at) => [call(2 * at + 1), reset(2 * at + 1)]).flat();

  test.for<readonly [does: string, says: readonly Buffer[], why: RegExp, code: number]>([
    ["does not begin with SETTINGS", [ping], /not SETTINGS/, 1],
    [
      "sends a frame that is too long",
      [settings, frame(frameType.ping, { payload: Buffer.alloc(16_385) })],
      /16385/,
      6,
    ],
    ["sends a PING of seven bytes", [settings, frame(frameType.ping, { payload: "1234567" })], /PING of 7/, 6],
    ["sends SETTINGS of five bytes", [set("0102030405")], /odd length/, 6],
    ["sends SETTINGS of a stream", [frame(frameType.settings, { stream: 1 })], /of a stream/, 1],
    ["sets a window beyond all bounds", [set("0004ffffffff")], /window of 4294967295/, 3],
    ["sets frames of no use", [set("000500000001")], /at most 1 bytes/, 1],
    ["widens a window by nothing", [settings, widen(0)], /by nothing/, 1],
    ["widens a window too far", [settings, widen(2 ** 31 - 1)], /too far/, 3],
    ["sends DATA of a stream that is none", [settings, data(5, "x")], /never opened/, 1],
    ["sends DATA of no stream", [settings, data(0, "x")], /stream 0/, 1],
    ["sends DATA that is all padding", [settings, call(1), data(1, Buffer.from([9, 0]), 8)], /padding/, 1],
    ["sends more than its window", [settings, call(1), ...often(65, data(1, full))], /FLOW_CONTROL_ERROR/, 3],
    ["resets a stream that is none", [settings, reset(3)], /never opened/, 1],
    ["calls on an even stream", [settings, call(2)], /stream 2/, 1],
    ["calls on no stream", [settings, call(0)], /belong nowhere/, 1],
    ["pushes", [settings, frame(frameType.pushPromise, { stream: 1, payload: number32(2) })], /push/, 1],
    ["sends headers that are none", [settings, wrong], /COMPRESSION_ERROR/, 9],
    ["continues headers that nobody began", [settings, more(callHeaders)], /belong nowhere/, 1],
    ["interrupts headers", [settings, headers(callHeaders), ping], /interrupted/, 1],
    ["interrupts headers with DATA", [settings, call(1), headers(callHeaders, 3), data(1, "")], /interrupted/, 1],
    ["continues headers for ever", [settings, headers(full), ...often(1100, more(full))], /headers of more/, 11],
    [
      "continues with nothing for ever",
      [settings, headers(full), ...often(5000, more(Buffer.alloc(0)))],
      /headers/,
      11,
    ],
    ["floods with PINGs", [settings, ...often(10_100, ping)], /flood/, 11],
    ["floods with SETTINGS", often(10_100, settings), /flood/, 11],
    ["floods with calls that it gives up", [settings, ...givenUp], /flood/, 11],
    ["floods with empty DATA", [settings, call(1), ...often(10_100, data(1, ""))], /flood/, 11],
    ["floods with windows widened by one", [settings, ...often(10_200, widen(1))], /flood/, 11],
    ["floods with frames of unknown types", [settings, ...often(10_100, frame(77))], /flood/, 11],
  ])("%s ends the connection, and is told why", ([, says, why, code]) => {
    const { outlet, ends, say, calls } = createServerSide();
    outlet.roomBytes = 10 ** 9;
    say(preface, ...says);
    expect(ends).toHaveLength(1);
    expect(ends[0]?.message).toMatch(why);
    const last = framesOf(outlet.take()).at(-1);
    expect(last).toMatchObject({ type: frameType.goAway, stream: 0 });
    expect(last?.payload.readUInt32BE(4)).toBe(code);
    expect(calls.every(({ stream }) => stream.isClosed)).toBe(true);
  });

  test("unpacks headers to more than 16 MiB ends the connection", () => {
    const { ends, say, greet } = createServerSide();
    greet();
    // One header of 4000 bytes enters the table; each further byte names it again.
    const large = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 0x79)]);
    say(
      frame(frameType.headers, {
        flags: endHeaders,
        stream: 1,
        payload: Buffer.concat([large, Buffer.alloc(8000, 0xbe)]),
      }),
    );
    expect(ends[0]?.message).toMatch(/headers take more than 16777216 bytes \(COMPRESSION_ERROR\)/);
  });

  test("asks for answers and does not take them ends the connection", () => {
    const { outlet, ends, say, greet } = createServerSide();
    greet();
    outlet.roomBytes = -1024 * 1024;
    say(frame(frameType.ping, { payload: "12345678" }));
    expect(ends[0]?.message).toMatch(/not taken/);
  });

  test("speaks something else is told at its first byte", () => {
    const { ends, say } = createServerSide();
    say(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    expect(ends[0]?.message).toMatch(/does not begin as HTTP\/2/);
  });

  test("goes away with an error is told with its words", () => {
    const { ends, say, greet } = createServerSide();
    greet();
    say(
      frame(frameType.goAway, { payload: Buffer.concat([number32(0), number32(11), Buffer.from("too_many_pings")]) }),
    );
    expect(ends[0]?.message).toBe("the daemon ends the connection with HTTP/2 error 11: too_many_pings");
  });

  test("says that no new calls will come ends nothing", () => {
    const { ends, say, greet, calls } = createServerSide();
    greet();
    say(frame(frameType.goAway, { payload: Buffer.alloc(8) }), call(1));
    expect(ends).toEqual([]);
    expect(calls).toHaveLength(1);
  });

  test("calls more than a hundred times at once is refused the others, and may go on", () => {
    const { outlet, calls, ends, say, greet } = createServerSide();
    greet();
    for (let at = 0; at < 102; at++) say(call(2 * at + 1));
    expect(calls).toHaveLength(100);
    const refused = framesOf(outlet.take()).filter(({ type }) => type === frameType.reset);
    expect(refused.map(({ stream, payload }) => [stream, payload.readUInt32BE()])).toEqual([
      [201, 7],
      [203, 7],
    ]);
    calls[0]?.stream.finish([["grpc-status", "0"]]);
    say(call(205));
    expect(calls).toHaveLength(101);
    expect(ends).toEqual([]);
  });
});
