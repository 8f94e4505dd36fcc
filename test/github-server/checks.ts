export interface CheckRun {
  readonly id: number;
  readonly repositoryId: string;
  readonly repository: string;
  readonly name: string;
  readonly sha: string;
  readonly status: "queued" | "in_progress" | "completed";
  readonly conclusion: string | null;
  readonly externalId: string;
  readonly detailsUrl: string | null;
  readonly title: string | null;
  readonly summary: string | null;
  readonly text: string | null;
  readonly annotations: readonly Readonly<Record<string, unknown>>[];
  readonly actions: readonly { readonly identifier: string; readonly label: string }[];
  readonly changedAt: Date;
}

/** The check runs that were made, oldest first, as they are now. */
export interface Checks {
  readonly all: readonly CheckRun[];
  /** The newest run of each name of a commit. */
  latest(sha: string): ReadonlyMap<string, CheckRun>;
  /** What GitHub shows of all checks of a commit together. */
  suite(sha: string): CheckRun["status"];
  /** A person asks to run checks of a commit again: GitHub shows them as queued until one of them is written. */
  rerequest(sha: string): void;
  /** Waits until the checks fulfil a condition, which is asked now and after each change. */
  until(condition: (checks: Checks) => boolean): Promise<void>;
  /** Told of each change before it is answered; the answer ends that. */
  onChange(listener: (run: CheckRun) => void): () => void;
}

export interface CheckBoard extends Checks {
  create(run: Pick<CheckRun, "repositoryId" | "repository" | "name" | "sha">): CheckRun;
  change(run: CheckRun, change: Partial<CheckRun>): void;
}

/** GitHub keeps so many runs of a name for a commit, and deletes the oldest. */
const maxOfName = 1000;

export function createCheckBoard(): CheckBoard {
  const all: CheckRun[] = [];
  const listeners = new Set<(run: CheckRun) => void>();
  const rerequested = new Set<string>();
  let last = 4_000_000;
  const board: CheckBoard = {
    all,
    latest: (sha) => new Map(all.filter((run) => run.sha === sha).map((run) => [run.name, run])),
    suite(sha) {
      const states = new Set([...board.latest(sha).values()].map(({ status }) => status));
      if (rerequested.has(sha) || states.size === 0) return "queued";
      return states.size === 1 ? ([...states][0] as CheckRun["status"]) : "in_progress";
    },
    rerequest: (sha) => void rerequested.add(sha),
    create({ repositoryId, repository, name, sha }) {
      const same = all.filter((run) => run.sha === sha && run.name === name);
      if (same.length >= maxOfName) all.splice(all.indexOf(same[0] as CheckRun), 1);
      last += 1;
      const run: CheckRun = {
        ...{ id: last, repositoryId, repository, name, sha },
        ...{ status: "queued", conclusion: null, externalId: "", detailsUrl: null },
        ...{ title: null, summary: null, text: null, annotations: [], actions: [], changedAt: new Date() },
      };
      all.push(run);
      return run;
    },
    change(run, change) {
      Object.assign(run, change, { changedAt: new Date() });
      rerequested.delete(run.sha);
      for (const listener of [...listeners]) listener(run);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async until(condition) {
      if (condition(board)) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const forget = board.onChange(() => condition(board) && resolve());
      await promise;
      forget();
    },
  };
  return board;
}
