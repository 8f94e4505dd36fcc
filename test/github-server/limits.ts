/** How much GitHub takes of an installation. Absent ones are not held, as on GitHub Enterprise Server. */
export interface Limits {
  /** The secondary limit: so many writes in every stretch of so many milliseconds. */
  readonly writes?: { readonly max: number; readonly inMs: number };
  /** Least time from the answer of a write to the next: who comes earlier is no good guest. */
  readonly pauseMs?: number;
  /** The hour's quota; the hour may be shorter. */
  readonly quota?: { readonly max: number; readonly hourMs: number };
  /** What a secondary limit says in `retry-after`; absent: nothing. */
  readonly retryAfterSeconds?: number;
}

type Headers = Readonly<Record<string, string>>;

export interface Gatekeeper {
  /** Lets a call in, or tells the refusal. */
  enter(call: { isWrite: boolean }): { message: string; headers: Headers } | undefined;
  /** A call was answered. */
  leave(call: { isWrite: boolean }): void;
  /** What GitHub says of the quota with each answer. */
  headers(): Headers;
}

/** Creates the gatekeeper of an installation. @param options.refusals gets the reason of each refusal */
export function createGatekeeper({
  id,
  limits: limitsNow,
  refusals,
}: {
  id: string;
  limits: () => Limits;
  refusals: string[];
}): Gatekeeper {
  const writes: number[] = [];
  let hour = { from: 0, calls: 0 };
  let answeredAt = 0;

  const isOverQuota = ({ quota }: Limits, now: number) => {
    if (!quota) return false;
    if (now >= hour.from + quota.hourMs) hour = { from: now, calls: 0 };
    hour.calls += 1;
    return hour.calls > quota.max;
  };
  const isOverWrites = ({ writes: limit }: Limits, now: number) => {
    if (limit && writes.filter((at) => now - at < limit.inMs).length >= limit.max) return true;
    writes.push(now);
    return false;
  };
  const refusalOf = (limits: Limits, { isWrite }: { isWrite: boolean }) => {
    const now = Date.now();
    const seconds = limits.retryAfterSeconds;
    const headers: Headers = seconds === undefined ? {} : { "retry-after": String(seconds) };
    if (isOverQuota(limits, now)) {
      return { message: `API rate limit exceeded for installation ID ${id}.`, headers: keeper.headers() };
    }
    if (!isWrite) return undefined;
    if (limits.pauseMs !== undefined && now - answeredAt < limits.pauseMs) {
      return { message: "You have exceeded a secondary rate limit: writes come too fast.", headers };
    }
    return isOverWrites(limits, now) ? { message: "You have exceeded a secondary rate limit.", headers } : undefined;
  };

  const keeper: Gatekeeper = {
    enter(call) {
      const refusal = refusalOf(limitsNow(), call);
      if (refusal) refusals.push(refusal.message);
      return refusal;
    },
    leave({ isWrite }) {
      if (isWrite) answeredAt = Date.now();
    },
    headers() {
      const { quota } = limitsNow();
      if (!quota) return {};
      return {
        "x-ratelimit-limit": String(quota.max),
        "x-ratelimit-remaining": String(Math.max(0, quota.max - hour.calls)),
        "x-ratelimit-reset": String(Math.ceil((hour.from + quota.hourMs) / 1000)),
      };
    },
  };
  return keeper;
}
