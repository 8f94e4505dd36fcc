import type { Fault, Location } from "../errors.ts";
import type { Outcome } from "./outcome.ts";

/** OpenFaaS Cloud's name for what GitHub shows of the whole stack; a function's context is its name. */
export const stackContext = "stack-deploy";

/**
 * How a report says that something ended. `failure`: the push is to blame; `error`: the installation is. `neutral` and
 * `skipped`: nothing was built, and nobody is to blame. `approval`: a person has to allow it first.
 */
export type Conclusion = "success" | "failure" | "error" | "cancelled" | "neutral" | "skipped" | "approval";

/** What GitHub shall show of one context of a push from now on. Plain JSON: it is stored. */
export interface Report {
  readonly context: string;
  readonly state: "queued" | "running" | Conclusion;
  /** One sentence; where only statuses are shown, it is all that is. */
  readonly description: string;
  /** Of a function: how it ended. */
  readonly outcome?: Outcome;
  /** Of a stack that ended: how all of its functions did. */
  readonly functions?: readonly Outcome[];
  readonly remarks?: readonly Remark[];
  /** Of a push that waits: how many wait before it. */
  readonly place?: number;
  /** Of what was cancelled for a newer push: that one's commit. */
  readonly newerSha?: string;
}

/** Something to say about a place of the repository. */
export interface Remark {
  readonly level: "failure" | "warning";
  readonly title: string;
  readonly message: string;
  /** Where the path is none of the repository, such as a template's, GitHub has no line to show it at. */
  readonly location: Location;
}

/** What a build has told so far. Plain JSON: it is stored, apart from the report, whenever there is more of it. */
export interface BuildNotes {
  /** The steps that run, such as `[3/7] RUN npm ci`. */
  readonly running: readonly string[];
  readonly steps: { readonly done: number; readonly cached: number; readonly known: number };
  /** What the steps printed: the beginning and the end, where it was long. */
  readonly log: string;
  /** What BuildKit warns of. */
  readonly remarks: readonly Remark[];
}

/** What a commit's status can say. */
export interface Status {
  readonly context: string;
  readonly state: "pending" | "success" | "failure" | "error";
  readonly description: string;
}

/** True for a report that no later one of the same push follows. */
export function isEnd({ state }: Pick<Report, "state">): boolean {
  return state !== "queued" && state !== "running";
}

/** A report as a status. Statuses have no word for what is no fault of anybody. */
export function statusOf({ context, state, description }: Report): Status {
  switch (state) {
    case "queued":
    case "running":
    case "approval":
      return { context, state: "pending", description };
    case "neutral":
    case "skipped":
      return { context, state: "success", description };
    case "cancelled":
      return { context, state: "error", description: `cancelled: ${description}` };
    default:
      return { context, state, description };
  }
}

/** Remarks for the faults of a file. */
export function remarksOf(faults: readonly Fault[], level: Remark["level"]): readonly Remark[] {
  return faults.map(({ message, location }) => ({ level, title: location.path, message, location }));
}

/** Whether a path lies in the pushed repository: that of a template of another one names its address first. */
export function isOfRepository(path: string): boolean {
  return !/^[\w.+-]+:\/\/|^[^/]+@[^/]+:/.test(path);
}
