import { flags, frameType, Http2Error } from "./http2-frames.ts";
import { maxHeaderListBytes } from "./http2-header-block.ts";
import type { FrameSender, Outlet } from "./http2-sender.ts";
import { encodeSettings, setting } from "./http2-settings.ts";
import { initialWindowBytes } from "./http2-window.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** What a side says of itself. */
export interface Greeting {
  readonly streamWindowBytes: number;
  readonly windowBytes: number;
}

/** Says the client's first words. */
export function greetServer(outlet: Outlet, sender: FrameSender, greeting: Greeting): void {
  outlet.begin(preface.length);
  outlet.put(preface, 0, preface.length);
  greet(sender, [setting.enablePush, 0], greeting);
}

/** Says the server's first words. It need not wait for the client's. */
export function greetClient(sender: FrameSender, greeting: Greeting & { readonly maxCalls: number }): void {
  greet(sender, [setting.maxConcurrentStreams, greeting.maxCalls], greeting);
}

/**
 * Creates what takes the client's first words off the stream of its bytes.
 * @returns a function that answers where the frames begin; it throws an Http2Error where the words are others
 */
export function createPrefaceSkipper(): (chunk: Buffer, start: number, end: number) => number {
  let seen = 0;
  return (chunk, start, end) => {
    let at = start;
    for (; seen < preface.length && at < end; at++, seen++) {
      if (chunk[at] !== preface[seen])
        throw new Http2Error("PROTOCOL_ERROR", "what comes does not begin as HTTP/2 does");
    }
    return at;
  };
}

function greet(sender: FrameSender, own: readonly [number, number], greeting: Greeting): void {
  const settings = encodeSettings([
    own,
    [setting.initialWindowSize, greeting.streamWindowBytes],
    [setting.maxHeaderListSize, maxHeaderListBytes],
  ]);
  sender.frame({ type: frameType.settings, flags: flags.none, stream: 0 }, settings);
  sender.windowUpdate(0, greeting.windowBytes - initialWindowBytes);
}
