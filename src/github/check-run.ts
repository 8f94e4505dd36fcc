import type { ReportTurn, Written } from "../model/report-turn.ts";
import type { Annotation } from "./check-annotations.ts";
import { type CheckPage, checkPage } from "./check-page.ts";
import { digestOf, type Writing } from "./writing.ts";
import { quotaOf } from "./written.ts";

/** GitHub takes so many annotations with a request, and appends those of a later one. */
const annotationsAtOnce = 50;

/** A check run that GitHub has. */
interface KnownCheck {
  readonly id: string;
  readonly annotations: number;
}

/**
 * Writes a report as a check: creates its run once, and updates it from then on.
 *
 * A run is known by its `external_id`: id of the push, "/", context. Where an earlier write may or may not have been done,
 * because its process died or no answer came, GitHub is asked first what it has: there is one run of a report, and an
 * annotation appears once.
 * @param options.webUrl address of GitHub's own pages
 */
export async function writeCheck(writing: Writing, { webUrl }: { webUrl: string }): Promise<Written> {
  const { turn } = writing;
  const page = turn.bare === undefined ? checkPage(turn, { webUrl }) : barePage(turn, { webUrl });
  const text = digestOf(page);
  const known = turn.isUncertain ? await findCheck(writing) : knownCheck(turn);
  const done = known?.annotations ?? 0;
  const shown = { kind: "shown", way: "check", text } as const;
  if (known && text === turn.sentText && done >= page.annotations.length) {
    return { ...shown, checkId: known.id, annotationsSent: done, isWhole: true, isWrite: false };
  }
  const next = page.annotations.slice(done, done + annotationsAtOnce);
  const { id, headers } = await send(writing, {
    known,
    body: bodyOf(writing, page, next),
  });
  const annotationsSent = done + next.length;
  const isWhole = annotationsSent >= page.annotations.length;
  return { ...shown, checkId: id, annotationsSent, isWhole, isWrite: true, ...quotaOf(headers) };
}

function knownCheck({ checkId: id, annotationsSent: annotations }: ReportTurn): KnownCheck | undefined {
  return id === undefined ? undefined : { id, annotations };
}

function externalIdOf({ pushId, report }: ReportTurn): string {
  return `${pushId}/${report.context}`;
}

/** Of a page that GitHub would not take the state, which it may take. */
function barePage({ bare, ...turn }: ReportTurn, links: { webUrl: string }): BarePage {
  const { status, conclusion } = checkPage(turn, links);
  return { status, ...(conclusion && { conclusion }), annotations: [], ...(bare === "excuse" && excuse) };
}

type BarePage = Pick<CheckPage, "status" | "conclusion" | "annotations"> & Partial<typeof excuse>;

const excuse = {
  title: "GitHub does not take what is to be shown here",
  summary: "Only how it went could be shown. `of-builder logs` has the rest, the log of of-builder GitHub's reason.",
};

function bodyOf({ turn, logUrl }: Writing, page: CheckPage | BarePage, annotations: readonly Annotation[]) {
  const { status, conclusion, title, summary } = page;
  const state = { status, ...(conclusion && { conclusion }), external_id: externalIdOf(turn) };
  if (!("actions" in page)) return { ...state, ...(title !== undefined && { output: { title, summary } }) };
  const { text, actions } = page;
  return {
    ...state,
    ...(logUrl !== undefined && { details_url: logUrl }),
    output: {
      title,
      summary,
      ...(text !== undefined && { text }),
      ...(annotations.length > 0 && { annotations: [...annotations] }),
    },
    actions: [...actions],
  };
}

async function send(
  { turn, octokit, headers, signal }: Writing,
  { known, body }: { known: KnownCheck | undefined; body: ReturnType<typeof bodyOf> },
): Promise<{ id: string; headers: Readonly<Record<string, unknown>> }> {
  const { owner, repository: repo, sha, report } = turn;
  const place = { owner, repo, headers, request: { signal } };
  if (!known) {
    const { data, headers: told } = await octokit.request("POST /repos/{owner}/{repo}/check-runs", {
      ...place,
      ...body,
      name: report.context,
      head_sha: sha,
      // Octokit's types tell completed runs, which have a conclusion, from others.
    } as never);
    return { id: String((data as { id: number }).id), headers: told };
  }
  const { headers: told } = await octokit.request("PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}", {
    ...place,
    ...body,
    check_run_id: known.id as unknown as number,
  } as never);
  return { id: known.id, headers: told };
}

/** Asks GitHub for the run of a report, and how many annotations it has. */
async function findCheck({ turn, octokit, headers, signal }: Writing): Promise<KnownCheck | undefined> {
  const { owner, repository: repo, sha, report, checkId } = turn;
  const place = { owner, repo, headers, request: { signal } };
  if (checkId !== undefined) {
    const { data } = await octokit.request("GET /repos/{owner}/{repo}/check-runs/{check_run_id}", {
      ...place,
      check_run_id: checkId as unknown as number,
    });
    return { id: checkId, annotations: data.output.annotations_count };
  }
  const { data } = await octokit.request("GET /repos/{owner}/{repo}/commits/{ref}/check-runs", {
    ...place,
    ref: sha,
    check_name: report.context,
    filter: "all",
    per_page: 100,
  });
  const found = data.check_runs.find(({ external_id }) => external_id === externalIdOf(turn));
  return found && { id: String(found.id), annotations: found.output.annotations_count };
}
