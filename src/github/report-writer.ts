import type { Octokit } from "@octokit/rest";
import { messageOf } from "../errors.ts";
import { logLinkOf } from "../model/log-link.ts";
import { stackContext, statusOf } from "../model/report.ts";
import type { ReportTurn, Written } from "../model/report-turn.ts";
import { writeCheck } from "./check-run.ts";
import { isUnauthorized } from "./github-error.ts";
import type { InstallationTokens, TokenScope } from "./installation-tokens.ts";
import { digestOf, type Writing } from "./writing.ts";
import { quotaOf, writtenOfError } from "./written.ts";

/** Writes one report to GitHub, once. Throws nothing but bugs: what GitHub says to it is the answer. */
export type WriteReport = (turn: ReportTurn, options: { signal: AbortSignal }) => Promise<Written>;

const maxDescription = 140;

/**
 * Creates the writer of reports. Its tokens are narrowed to the repository and to what is written.
 * @param options.way how what is not shown yet is shown, where the installation permits it
 * @param options.webUrl address of GitHub's own pages
 * @param options.publicUrl where people reach our logs; absent: nowhere
 */
export function createReportWriter({
  octokit,
  tokens,
  way: wanted,
  webUrl,
  publicUrl,
}: {
  octokit: Octokit;
  tokens: InstallationTokens;
  way: "check" | "status";
  webUrl: string;
  publicUrl?: string | undefined;
}): WriteReport {
  return async (turn, { signal }) => {
    const way = turn.way ?? (turn.isStatusesOnly ? "status" : wanted);
    const scope = scopeOf(turn, way);
    const write = async () => {
      const headers = { authorization: `bearer ${await tokens.of(scope)}` };
      signal.throwIfAborted();
      const writing = { turn, octokit, logUrl: logUrlOf(turn, publicUrl), headers, signal };
      return way === "check" ? writeCheck(writing, { webUrl }) : writeStatus(writing);
    };
    try {
      return await write().catch((error: unknown) => {
        if (!isUnauthorized(error)) throw error;
        // The token was revoked, or the App installed anew.
        tokens.forget(scope);
        return write();
      });
    } catch (error) {
      // Whoever is told to stop knows nothing of what became of the write: that is GitHub's word on no report.
      if (signal.aborted) return { kind: "failed", uncertain: true, reason: messageOf(signal.reason) };
      return writtenOfError(error, { way, isNew: turn.way === undefined, isBare: turn.bare !== undefined });
    }
  };
}

function scopeOf({ installationId, repositoryId }: ReportTurn, way: "check" | "status"): TokenScope {
  const permissions = way === "check" ? ({ checks: "write" } as const) : ({ statuses: "write" } as const);
  return { installationId, repositoryId, permissions };
}

/** A stack has no log of its own, nor has what was not built. */
function logUrlOf({ pushId, report, logKey: key }: ReportTurn, publicUrl: string | undefined): string | undefined {
  const { context, outcome } = report;
  const hasLog = context !== stackContext && outcome?.state !== "unchanged" && outcome?.state !== "skipped";
  if (!hasLog || publicUrl === undefined || key === undefined) return undefined;
  return logLinkOf(publicUrl, { push: pushId, function: context, key });
}

async function writeStatus({ turn, octokit, logUrl, headers, signal }: Writing): Promise<Written> {
  const { owner, repository, sha, sentText, report } = turn;
  const status = statusOf(report);
  const text = digestOf(status);
  const shown = { kind: "shown", way: "status", annotationsSent: 0, isWhole: true, text } as const;
  // A commit has one status of a context: where the same commit is built anew, that build tells it.
  if (text === sentText || report.newerSha === sha) return { ...shown, isWrite: false };
  const answer = await octokit.request("POST /repos/{owner}/{repo}/statuses/{sha}", {
    owner,
    repo: repository,
    sha,
    state: status.state,
    context: status.context,
    description: cutDescription(status.description),
    ...(logUrl !== undefined && { target_url: logUrl }),
    headers,
    request: { signal },
  });
  return { ...shown, isWrite: true, ...quotaOf(answer.headers) };
}

/** Cuts a text to 140 characters as GitHub counts them, never through one, with "…" where something is missing. */
export function cutDescription(text: string): string {
  const characters = Array.from(text.replaceAll(/\p{Cc}+/gu, " "));
  return characters.length <= maxDescription
    ? characters.join("")
    : `${characters.slice(0, maxDescription - 1).join("")}…`;
}
