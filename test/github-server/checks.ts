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
  let last = 4_000_000;
  const board: CheckBoard = {
    all,
    latest: (sha) => new Map(all.filter((run) => run.sha === sha).map((run) => [run.name, run])),
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
