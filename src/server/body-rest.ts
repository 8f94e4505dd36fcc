import type { IncomingMessage } from "node:http";

/** What is thrown away before the answer. */
const maxDrainedBytes = 64 * 1024 * 1024;
const maxDrainMs = 10_000;
/** A gigabyte over a fast line. */
const maxLingerMs = 60_000;
/** Whoever is too slow for a body is fast enough for an answer. */
export const slowLingerMs = 2000;

/** Throws away the rest of a body before it is answered, within bounds of bytes and time. */
export async function drainBody(request: IncomingMessage): Promise<void> {
  if (request.readableEnded || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  let bytes = 0;
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxDrainedBytes) resolve();
  };
  const limit = setTimeout(resolve, maxDrainMs);
  for (const event of ["end", "close", "error"]) request.once(event, resolve);
  request.on("data", count).resume();
  await promise;
  clearTimeout(limit);
  request.off("data", count).pause();
}

/**
 * Goes on throwing a body away while its answer is on its way: to close the connection on a client that still writes
 * would take the answer from it. After a while it is closed all the same, and at once where the client has asked for that
 * (`Connection: close`): Node does so when an answer has ended.
 */
export function lingerOnBody(request: IncomingMessage, { limitMs = maxLingerMs }: { limitMs?: number } = {}): void {
  if (request.complete || request.destroyed) return;
  const limit = setTimeout(() => request.destroy(), limitMs);
  for (const event of ["end", "close"]) request.once(event, () => clearTimeout(limit));
  request.resume();
}
