import { setTimeout as wait } from "node:timers/promises";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";

/** What says that runs are to end. */
export interface Cancels {
  /** Of some runs those that were asked to end, each with the reason. */
  read(ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Calls back when the run of an id may have been asked to; without an id: when any may have been. */
  hear(listener: (id: string | undefined) => void): Disposable;
}

/** A story that is being told in this process. */
export interface Told {
  /** Aborts when the run was cancelled, with a BuilderError `build_cancelled`, and when the process leaves. */
  readonly signal: AbortSignal;
  /** Runs what the process shall wait for before it leaves. */
  busy<T>(work: () => Promise<T>): Promise<T>;
  /** Runs what has to clean up behind itself when it is aborted. */
  work<T>(work: () => Promise<T>): Promise<T>;
  /**
   * Waits for what goes on without this process.
   * @param branch id of the story that is waited for: once that has ended here, this one is about to go on
   */
  idle<T>(waiting: Promise<T>, branch?: string): Promise<T>;
}

/** The stories that are being told in this process, by their ids: a run's, or that and "/" and a function's name. */
export interface ToldStories extends Disposable {
  /** Tells a story; not before it is known whether its run was cancelled. */
  tell<T>(id: string, story: () => Promise<T>): Promise<T>;
  of(id: string | undefined): Told;
  /** Waits until every story has ended or waits for what goes on without this process. */
  quiet(): Promise<void>;
  /** Waits until no step's work is in progress. */
  settled(): Promise<void>;
  readonly count: number;
}

/** A notice may be lost with its session: the table is looked at, too. */
const lookMs = 2_000;
const retryMs = 250;

/** @param leaving aborts when the process must leave now */
export function createToldStories({
  leaving,
  cancels,
  log,
}: {
  leaving: AbortSignal;
  cancels: Cancels | undefined;
  log: Log;
}): ToldStories {
  const stories = new Map<string, Story>();
  const runs = new Map<string, Run>();
  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watcher of watchers) watcher();
    watchers.clear();
  };

  const look = async (ids: readonly string[]) => {
    const reasons = ids.length > 0 ? await cancels?.read(ids) : undefined;
    for (const [id, reason] of reasons ?? []) runs.get(id)?.controller.abort(cancelled(reason));
  };
  const lookAgain = (id?: string) => {
    const ids = id === undefined ? [...runs.keys()] : [id].filter((known) => runs.has(known));
    look(ids).catch((error: unknown) => log.warn({ reason: messageOf(error) }, "could not look for cancelled runs"));
  };
  const hearing = cancels?.hear(lookAgain);
  const timer = setInterval(lookAgain, lookMs);
  const leave = () => {
    for (const { controller } of runs.values()) controller.abort(leaving.reason);
  };
  leaving.addEventListener("abort", leave, { once: true });

  const until = async (condition: () => boolean) => {
    while (!condition()) {
      await new Promise<void>((resolve) => watchers.add(resolve));
      // What follows a step in its story begins in this turn of the loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  const enter = (id: string): Run => {
    const run = runs.get(id) ?? { controller: new AbortController(), stories: 0 };
    runs.set(id, run);
    run.stories += 1;
    return run;
  };
  const exit = (id: string, run: Run) => {
    run.stories -= 1;
    if (run.stories === 0) runs.delete(id);
  };

  return {
    get count() {
      return stories.size;
    },
    async tell(id, tale) {
      const runId = runOf(id);
      const run = enter(runId);
      const story: Story = { signal: run.controller.signal, busy: 0, waits: 0, works: 0, ended: new Set() };
      stories.set(id, story);
      try {
        await insist(() => look([runId]), leaving);
        return await tale();
      } finally {
        // After a break of the database the engine may tell a story anew before its first telling has noticed.
        if (stories.get(id) === story) stories.delete(id);
        if (id !== runId) stories.get(runId)?.ended.add(id);
        exit(runId, run);
        changed();
      }
    },
    of(id = "") {
      const story = stories.get(id);
      if (!story) throw new Error(`the story "${id}" is not told here: steps are for stories`);
      return toldOf(story, changed);
    },
    quiet: () => until(() => [...stories.values()].every(isQuiet)),
    settled: () => until(() => [...stories.values()].every(({ works }) => works === 0)),
    [Symbol.dispose]() {
      clearInterval(timer);
      hearing?.[Symbol.dispose]();
      leaving.removeEventListener("abort", leave);
    },
  };
}

interface Run {
  readonly controller: AbortController;
  stories: number;
}

interface Story {
  readonly signal: AbortSignal;
  busy: number;
  waits: number;
  works: number;
  /** The branches that have ended here, and that this one has not heard of yet. */
  readonly ended: Set<string>;
}

function isQuiet({ busy, waits, ended }: Story): boolean {
  return busy === 0 && waits > 0 && ended.size === 0;
}

function runOf(id: string): string {
  return id.split("/", 1)[0] ?? id;
}

function cancelled(reason: string): BuilderError {
  return new BuilderError("build_cancelled", reason);
}

function toldOf(story: Story, changed: () => void): Told {
  const counted = async <T>(count: "busy" | "waits" | "works", work: () => Promise<T>) => {
    story[count] += 1;
    changed();
    try {
      return await work();
    } finally {
      story[count] -= 1;
      changed();
    }
  };
  return {
    signal: story.signal,
    busy: (work) => counted("busy", work),
    work: (work) => counted("works", work),
    idle: (waiting, branch = "") =>
      counted("waits", async () => {
        try {
          return await waiting;
        } finally {
          story.ended.delete(branch);
        }
      }),
  };
}

/** Whether a run is cancelled has to be known: while the database is away its story does not begin. */
async function insist(work: () => Promise<void>, leaving: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BuilderError)) throw error;
      await wait(retryMs, undefined, { signal: leaving }).catch(() => new Promise(() => {}));
    }
  }
}
