import type { BuildNotes, Report } from "./report.ts";

/** One report whose turn it is to be written, with all that writing it needs. */
export interface ReportTurn {
  readonly pushId: string;
  readonly installationId: string;
  readonly repositoryId: string;
  readonly owner: string;
  readonly repository: string;
  readonly sha: string;
  readonly report: Report;
  readonly notes: BuildNotes | undefined;
  /** Of a stack: the reports of its functions as they are now. */
  readonly functions: readonly { readonly report: Report; readonly notes: BuildNotes | undefined }[];
  /** As what it is shown already, which it stays; absent: as nothing yet. */
  readonly way: "check" | "status" | undefined;
  /** Whether the installation was found to permit statuses only. */
  readonly isStatusesOnly: boolean;
  /** GitHub's id of the check run. */
  readonly checkId: string | undefined;
  readonly annotationsSent: number;
  /** Nothing but the state of the check is written; `excuse`: with one in place of the page, which GitHub did not take. */
  readonly bare?: "state" | "excuse";
  /** An earlier write has no known end: GitHub may or may not have done it. */
  readonly isUncertain: boolean;
  /** Key to the logs of the push, for whom GitHub shows the report. */
  readonly logKey: string | undefined;
  /** Digest of what was written last. */
  readonly sentText: string | undefined;
}

/** What GitHub says of how much it lets an installation do. */
export interface Quota {
  readonly left: number;
  /** Unix milliseconds. */
  readonly resetsAtMs: number;
}

/** How one write ended. */
export type Written =
  | {
      readonly kind: "shown";
      readonly way: "check" | "status";
      readonly checkId?: string;
      readonly annotationsSent: number;
      /** False where GitHub takes the rest by further writes only. */
      readonly isWhole: boolean;
      readonly text: string;
      /** False where GitHub has it already, so that nothing was written. */
      readonly isWrite: boolean;
      readonly quota?: Quota;
    }
  /** GitHub wants no writes of the installation until then; where it does not say, for a minute and longer each time. */
  | { readonly kind: "paused"; readonly untilMs: number | undefined; readonly reason: string }
  /** The App may not write checks; statuses it may. */
  | { readonly kind: "unpermitted"; readonly whole: boolean; readonly reason: string }
  /** GitHub does not take what the check says; that it is as it is GitHub may take. */
  | { readonly kind: "unfit"; readonly reason: string }
  /** GitHub will never take it. */
  | { readonly kind: "refused"; readonly reason: string }
  /** It may work later; `uncertain`: it may have worked already. */
  | { readonly kind: "failed"; readonly uncertain: boolean; readonly reason: string };
