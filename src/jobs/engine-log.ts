import type { DLogger } from "@dbos-inc/dbos-sdk";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";

/** Leads what DBOS says to our log. Its chatter is dropped: only what may need a person is kept. */
export function engineLog(log: Log): DLogger {
  const engine = log.child({ part: "engine" });
  return {
    debug() {},
    info() {},
    warn: (entry) => engine.warn({}, messageOf(entry)),
    error: (entry, metadata) => engine.error({ stack: metadata?.stack }, messageOf(entry)),
  };
}
