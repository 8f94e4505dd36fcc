import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { untilTold } from "./signals.ts";

/** Runs until a signal; then what is being done may end. */
export async function untilDrained(
  { drainMs: limitMs }: Config,
  { log, stop, leave }: { log: Log; stop(options: { limitMs: number }): Promise<void>; leave?: () => Promise<void> },
): Promise<void> {
  await untilTold((signal) => {
    log.info(
      { signal, drainMs: limitMs },
      "stopping: no new work is taken, running work may finish; a second signal leaves at once",
    );
    return stop({ limitMs });
  }, leave);
}
