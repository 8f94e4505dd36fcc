import { Http2Error } from "./http2-frames.ts";

/** Frames that cost us work and bring nothing: so many at once are a flood. */
const maxIdleFrames = 10_000;
const perSecond = 100;
/** Go sends a PING and two WINDOW_UPDATEs for some KiB of data at most. */
const bytesPerFrame = 1024;

/**
 * Tells a flood (of PING, SETTINGS, RST_STREAM, empty DATA …, as of CVE-2019-9512 to 9518 and CVE-2023-44487) from a busy
 * connection: frames that carry nothing are paid for by the data that passes and, for connections that rest, by time.
 */
export class FloodGuard {
  #left = maxIdleFrames;
  #countedAt = performance.now();

  /** @throws Http2Error where it is one too many */
  spend(): void {
    const now = performance.now();
    this.#earn(((now - this.#countedAt) / 1000) * perSecond);
    this.#countedAt = now;
    this.#left--;
    if (this.#left < 0) throw new Http2Error("ENHANCE_YOUR_CALM", "a flood of frames that carry nothing");
  }

  /** Notes data that has passed, either way. */
  pass(bytes: number): void {
    this.#earn(bytes / bytesPerFrame);
  }

  #earn(frames: number): void {
    this.#left = Math.min(maxIdleFrames, this.#left + frames);
  }
}
