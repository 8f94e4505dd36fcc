import type { IncomingMessage } from "node:http";
import { BuilderError } from "../errors.ts";

/** What is written at once: a socket brings 64 KiB at a time, which one by one take the disk twice the time. */
const pieceBytes = 512 * 1024;
/** What of a body may be in memory: where the disk is slow for a moment its sender need not wait. */
const maxHeldBytes = 8 * 1024 * 1024;
/** The same while all bodies together hold more than `crowdedBytes`. */
const maxHeldInCrowd = 1024 * 1024;
const crowdedBytes = 32 * 1024 * 1024;
/** What all bodies of this process hold in memory. */
let heldByAll = 0;

export interface Pieces extends Disposable {
  /**
   * Answers what has arrived, once it is enough to be written; empty at the end of the body. What was answered before is
   * no longer held.
   * @throws what `look` answers for a chunk, the signal's reason; BuilderError `body_invalid` where the body breaks off
   */
  next(): Promise<readonly Buffer[]>;
}

/**
 * Gathers a body in pieces: one arrives while the one before is written.
 * @param options.look sees each chunk first; what it answers ends the body
 */
export function gatherPieces(
  request: IncomingMessage,
  { look, signal }: { look: (chunk: Buffer) => Error | undefined; signal: AbortSignal },
): Pieces {
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;
  let writtenBytes = 0;
  let isOver = false;
  let fault: Error | undefined;
  let wake: (() => void) | undefined;
  const hold = (bytes: number) => {
    heldByAll += bytes;
    const max = heldByAll > crowdedBytes ? maxHeldInCrowd : maxHeldBytes;
    if (gatheredBytes + writtenBytes >= max) request.pause();
    else if (!isOver) request.resume();
  };
  const end = (reason?: Error) => {
    isOver = true;
    fault ??= reason;
    wake?.();
  };
  const onData = (chunk: Buffer) => {
    const refusal = look(chunk);
    if (refusal) return end(refusal);
    gathered.push(chunk);
    gatheredBytes += chunk.length;
    hold(chunk.length);
    if (gatheredBytes >= pieceBytes) wake?.();
  };
  const onEnd = () => end();
  const onClose = () => {
    if (!request.complete) end(new BuilderError("body_invalid", "the body did not arrive whole"));
  };
  const onAbort = () => end(signal.reason as Error);
  request.once("end", onEnd).once("close", onClose).on("data", onData);
  signal.addEventListener("abort", onAbort, { once: true });
  if (request.destroyed) onClose();
  if (signal.aborted) onAbort();
  return {
    async next() {
      const freed = writtenBytes;
      writtenBytes = 0;
      hold(-freed);
      while (!isOver && gatheredBytes < pieceBytes) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      if (fault) throw fault;
      const piece = gathered;
      writtenBytes = gatheredBytes;
      [gathered, gatheredBytes] = [[], 0];
      return piece;
    },
    [Symbol.dispose]() {
      heldByAll -= gatheredBytes + writtenBytes;
      signal.removeEventListener("abort", onAbort);
      request.off("data", onData).off("end", onEnd).off("close", onClose).pause();
    },
  };
}
