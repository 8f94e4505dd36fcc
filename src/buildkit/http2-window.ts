import { Http2Error } from "./http2-frames.ts";

/** What every window has before anybody says otherwise. */
export const initialWindowBytes = 65_535;
/** What no window may come to. */
export const maxWindowBytes = 2 ** 31 - 1;

/** How much the other side may still send, of a stream or a whole connection. */
export class ReceiveWindow {
  readonly #bytes: number;
  #left: number;
  #owed = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
    this.#left = bytes;
  }

  /** @throws Http2Error where the other side sends more than it may */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new Http2Error("FLOW_CONTROL_ERROR", "more is sent than there is room for");
  }

  /**
   * Notes that bytes have been dealt with. The other side is told seldom: each time costs it and us a frame.
   * @returns what to tell it now, or 0
   */
  giveBack(bytes: number): number {
    this.#owed += bytes;
    if (this.#owed < this.#bytes / 4) return 0;
    const owed = this.#owed;
    this.#left += owed;
    this.#owed = 0;
    return owed;
  }
}
