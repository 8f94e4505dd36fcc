import { BuilderError } from "../errors.ts";
import { maxClockMs } from "./build-signature.ts";

/**
 * What is refused as a repetition:
 * - `off`: only what a client itself has stamped with X-Build-Timestamp;
 * - `digest`: any body that was taken within the last day;
 * - `timestamp`: every request has to be stamped.
 */
export type ReplayProtection = "off" | "digest" | "timestamp";

/** Remembers what was taken, so that a request that was overheard cannot be sent again. Of this process only. */
export interface ReplayGuard {
  /**
   * @param request.hex the signature, which holds
   * @returns forgets the request: one that came to nothing may come again, as its answer says
   * @throws BuilderError `signature_missing` for a stamp that has to be there, `signature_wrong` for a repetition
   */
  check(request: { hex: string; isStamped: boolean }): () => void;
}

const rememberedMs = { stamped: 2 * maxClockMs, plain: 24 * 60 * 60 * 1000 };
const maxRemembered = 100_000;

/** Creates a guard that remembers nothing yet. */
export function createReplayGuard(
  protection: ReplayProtection,
  { now, maxEntries = maxRemembered }: { now: () => number; maxEntries?: number },
): ReplayGuard {
  /** Until when, in the order in which they came. */
  const seen = new Map<string, number>();

  const forget = (nowMs: number) => {
    for (const [hex, untilMs] of seen) {
      if (untilMs > nowMs && seen.size < maxEntries) return;
      seen.delete(hex);
    }
  };

  return {
    check({ hex, isStamped }) {
      if (protection === "timestamp" && !isStamped) {
        throw new BuilderError("signature_missing", "the request has no X-Build-Timestamp", {
          fix: 'Send X-Build-Timestamp: SECONDS, and sign "SECONDS.BODY".',
        });
      }
      if (protection === "off" && !isStamped) return () => {};
      const nowMs = now();
      if ((seen.get(hex) ?? 0) > nowMs) {
        throw new BuilderError("signature_wrong", "this request was sent before: it is taken once only", {
          fix: "Sign the request anew, with another X-Build-Timestamp.",
        });
      }
      forget(nowMs);
      seen.delete(hex);
      seen.set(hex, nowMs + (isStamped ? rememberedMs.stamped : rememberedMs.plain));
      return () => void seen.delete(hex);
    },
  };
}
