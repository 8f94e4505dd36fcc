export interface PostedStatus {
  readonly owner: string;
  readonly repository: string;
  readonly sha: string;
  readonly context: string;
  readonly state: "pending" | "success" | "failure" | "error";
  readonly description: string;
  readonly targetUrl: string | null;
}

/** The statuses that were posted, oldest first. */
export interface Statuses {
  readonly all: readonly PostedStatus[];
  /** The newest status of each context of a commit. */
  latest(sha: string): ReadonlyMap<string, PostedStatus>;
  /** Waits until the statuses fulfil a condition, which is asked now and after each that arrives. */
  until(condition: (statuses: Statuses) => boolean, options?: { signal?: AbortSignal }): Promise<void>;
  /** Told of each status that arrives; the answer ends that. */
  onStatus(listener: (status: PostedStatus) => void): () => void;
}

export interface StatusBoard extends Statuses {
  /** Posts one, also without being asked over HTTP. */
  post(status: PostedStatus): void;
  /** Whether there are as many of a commit and context as GitHub takes. */
  isFull(status: PostedStatus): boolean;
}

const maxOfContext = 1000;

export function createStatusBoard(): StatusBoard {
  const all: PostedStatus[] = [];
  const listeners = new Set<(status: PostedStatus) => void>();
  const board: StatusBoard = {
    all,
    latest: (sha) => new Map(all.filter((status) => status.sha === sha).map((status) => [status.context, status])),
    isFull: ({ sha, context }) =>
      all.filter((status) => status.sha === sha && status.context === context).length >= maxOfContext,
    post(status) {
      all.push(status);
      for (const listener of [...listeners]) listener(status);
    },
    onStatus(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async until(condition, { signal } = {}) {
      if (condition(board)) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const abort = () => reject(signal?.reason);
      const forget = board.onStatus(() => condition(board) && resolve());
      signal?.addEventListener("abort", abort);
      try {
        signal?.throwIfAborted();
        await promise;
      } finally {
        forget();
        signal?.removeEventListener("abort", abort);
      }
    },
  };
  return board;
}
