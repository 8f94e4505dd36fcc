import { once } from "node:events";
import { BuilderError } from "../errors.ts";

/**
 * Waits for SIGINT or SIGTERM, then stops. A second signal leaves at once: unfinished work continues at the next start.
 */
export async function untilTold(stop: (signal: string) => Promise<void>): Promise<void> {
  const first = await Promise.race(["SIGINT", "SIGTERM"].map((name) => once(process, name).then(() => name)));
  const leave = () => process.exit(1);
  process.once("SIGINT", leave).once("SIGTERM", leave);
  try {
    await stop(first);
  } finally {
    process.off("SIGINT", leave).off("SIGTERM", leave);
  }
}

/** Aborts on SIGINT or SIGTERM while it is in scope; a second signal ends the process as it does by default. */
export function abortOnSignal(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const abort = () => {
    controller.abort(new BuilderError("build_cancelled", "the build was interrupted"));
    stop();
  };
  const stop = () => process.off("SIGINT", abort).off("SIGTERM", abort);
  process.once("SIGINT", abort).once("SIGTERM", abort);
  return { signal: controller.signal, [Symbol.dispose]: () => void stop() };
}
