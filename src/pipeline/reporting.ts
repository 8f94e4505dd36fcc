import { setTimeout as wait } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import type { ReportTurn, Written } from "../model/report-turn.ts";

/**
 * The loop that makes GitHub show what stories want it to. Stories keep the state that they want in the database; the
 * loop takes, installation by installation, the most urgent report that GitHub does not have yet and writes it as it is
 * at that moment. That is queue, coalescing, retry and recovery in one: a report that changed ten times while GitHub
 * asked for a pause is written once, and what a process that died had not written is written by the next that looks.
 *
 * All processes run it. One installation is written for by one of them at a time, with a pause after each write.
 */
export interface ReportingHands<Turn extends ReportTurn> {
  /** The most urgent report that may be written now, for this process alone until `end`, or until its time is over. */
  take(): Promise<Turn | undefined>;
  /** Says that a turn is still being written: it would be over soon. False where it is over. */
  hold(turn: Turn): Promise<boolean>;
  /** Milliseconds until there may be one, where something waits. */
  nextMs(): Promise<number | undefined>;
  end(turn: Turn, written: Written): Promise<void>;
  /** Writes one to GitHub. Throws nothing but bugs. */
  write(turn: Turn, options: { signal: AbortSignal }): Promise<Written>;
  /** Hears how each turn ended. */
  onEnd(turn: Turn, written: Written): void;
  /** Hears of what kept the loop from working: it goes on after a while. */
  onFault(error: unknown): void;
}

export interface ReportingLoop {
  /** Something is to be written: looks at once. */
  wake(): void;
  /** Writes what can be written until the limit, takes no more, and ends. */
  stop(options: { limitMs: number }): Promise<void>;
}

const defaults = {
  /** What other processes keep, or left behind, is found within this time. */
  pollMs: 2_000,
  /** Installations that are written for at once. */
  parallel: 8,
  /** Of one write. */
  writeMs: 25_000,
  /** How often a turn is held; well below the time after which it is over. */
  holdMs: 1_000,
  /** A process that stops does not wait for what may be written only later than this. */
  patienceMs: 5_000,
};

/** Starts the loop. */
export function startReporting<Turn extends ReportTurn>(
  hands: ReportingHands<Turn>,
  options: Partial<typeof defaults> = {},
): ReportingLoop {
  const { pollMs, parallel, writeMs, holdMs, patienceMs } = { ...defaults, ...options };
  const leaving = new AbortController();
  const running = new Set<Promise<void>>();
  let bell = Promise.withResolvers<void>();
  let isDraining = false;

  const tellTurn = async (turn: Turn) => {
    using held = holding(turn, { hands, holdMs });
    const signal = AbortSignal.any([leaving.signal, held.over, AbortSignal.timeout(writeMs)]);
    const written = await hands.write(turn, { signal }).catch((bug: unknown): Written => {
      hands.onFault(bug);
      // That one report is not shown, and all others are.
      return { kind: "refused", reason: `of-builder failed: ${messageOf(bug)}` };
    });
    await hands.end(turn, written);
    hands.onEnd(turn, written);
  };
  const begin = (turn: Turn) => {
    const work = tellTurn(turn)
      .catch(hands.onFault)
      .finally(() => {
        running.delete(work);
        bell.resolve();
      });
    running.add(work);
  };
  /** Answers how long there is nothing to do, unless somebody wakes it; undefined: nothing waits at all. */
  const round = async (): Promise<number | undefined> => {
    while (running.size < parallel) {
      const turn = await hands.take();
      if (!turn) return hands.nextMs();
      begin(turn);
    }
    return pollMs;
  };
  const loop = async () => {
    while (!leaving.signal.aborted) {
      bell = Promise.withResolvers();
      // What was told before the stop may have come too late for a round that had begun.
      const mayBeLast = isDraining;
      const nextMs = await round().catch((error: unknown) => {
        hands.onFault(error);
        return pollMs;
      });
      if (mayBeLast && running.size === 0 && (nextMs ?? patienceMs) >= patienceMs) return;
      await waitFor(bell.promise, { ms: Math.min(Math.max(nextMs ?? pollMs, 10), pollMs), signal: leaving.signal });
    }
  };
  const looping = loop();

  return {
    wake: () => bell.resolve(),
    async stop({ limitMs }) {
      isDraining = true;
      bell.resolve();
      const limit = setTimeout(() => leaving.abort(new Error("of-builder is stopping")), limitMs);
      await looping;
      await Promise.all(running);
      clearTimeout(limit);
    },
  };
}

/** Holds a turn until it is disposed of. `over` aborts where another process may have it: two shall not write at once. */
function holding<Turn extends ReportTurn>(
  turn: Turn,
  { hands, holdMs }: { hands: Pick<ReportingHands<Turn>, "hold" | "onFault">; holdMs: number },
): Disposable & { readonly over: AbortSignal } {
  const over = new AbortController();
  const hold = async () => {
    try {
      if (!(await hands.hold(turn))) over.abort(new Error("another process writes for this installation"));
    } catch (error) {
      hands.onFault(error);
    }
  };
  const timer = setInterval(hold, holdMs);
  return { over: over.signal, [Symbol.dispose]: () => clearInterval(timer) };
}

async function waitFor(bell: Promise<void>, { ms, signal }: { ms: number; signal: AbortSignal }): Promise<void> {
  const timer = new AbortController();
  const either = AbortSignal.any([signal, timer.signal]);
  await Promise.race([bell, wait(ms, undefined, { signal: either }).catch(() => {})]);
  timer.abort();
}
