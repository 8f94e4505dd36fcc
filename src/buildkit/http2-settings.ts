import { Http2Error } from "./http2-frames.ts";
import { maxWindowBytes } from "./http2-window.ts";

/** The settings of RFC 9113, section 6.5.2, that we say or hear. */
export const setting = {
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

const entryBytes = 6;
const leastMaxFrameBytes = 16_384;

export function encodeSettings(entries: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(entries.length * entryBytes);
  for (const [index, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, index * entryBytes);
    payload.writeUInt32BE(value, index * entryBytes + 2);
  }
  return payload;
}

/**
 * Reads what the other side sets. Longer frames than every side takes are never sent, nor headers that an index stands
 * for: so of all settings only the window of new streams counts.
 * @returns the window; undefined where it stays
 * @throws Http2Error
 */
export function readInitialWindow(payload: Buffer): number | undefined {
  if (payload.length % entryBytes !== 0) throw new Http2Error("FRAME_SIZE_ERROR", "SETTINGS of an odd length");
  let window: number | undefined;
  for (let at = 0; at < payload.length; at += entryBytes) {
    const value = payload.readUInt32BE(at + 2);
    switch (payload.readUInt16BE(at)) {
      case setting.initialWindowSize:
        if (value > maxWindowBytes) throw new Http2Error("FLOW_CONTROL_ERROR", `a window of ${value} bytes`);
        window = value;
        break;
      case setting.maxFrameSize:
        if (value < leastMaxFrameBytes) throw new Http2Error("PROTOCOL_ERROR", `frames of at most ${value} bytes`);
        break;
      default:
    }
  }
  return window;
}
