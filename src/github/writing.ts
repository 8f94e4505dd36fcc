import { createHash } from "node:crypto";
import type { Octokit } from "@octokit/rest";
import type { ReportTurn } from "../model/report-turn.ts";

/** One report and what it is written with. */
export interface Writing {
  readonly turn: ReportTurn;
  readonly octokit: Octokit;
  /** Address of the log behind the report; absent: there is none, or nobody may be shown it. */
  readonly logUrl: string | undefined;
  /** With a token that is good for this and nothing else. */
  readonly headers: { readonly authorization: string };
  readonly signal: AbortSignal;
}

/** What was written last is known by this: the same is not written again. */
export function digestOf(written: object): string {
  return createHash("sha256").update(JSON.stringify(written)).digest("base64url");
}
