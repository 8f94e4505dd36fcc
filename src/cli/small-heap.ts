import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's space for young objects as it begins, at 1 MB: it would grow to 32 MB while the packages are loaded, and a
 * server that mostly hands bytes on needs none of that. To be called before they are, for the space never shrinks. (V8's
 * --optimize-for-size collects all garbage with each few megabytes: that takes longer than a small build.)
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
