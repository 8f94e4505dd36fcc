import { type BuildNotes, type Report, stackContext } from "../model/report.ts";
import type { ReportTurn, Written } from "../model/report-turn.ts";
import type { Database } from "./database.ts";
import { storable } from "./text.ts";

/**
 * A turn to write, taken until its end is stored or its time is over. What identifies it goes back with the end, so
 * that whoever had it for too long changes nothing any more.
 */
export interface TakenTurn extends ReportTurn {
  readonly turn: string;
  readonly version: string;
  /** Unix milliseconds: since when the push is known. */
  readonly sinceMs: number;
  /** Whether GitHub has been shown anything of it yet. */
  readonly isFirst: boolean;
}

export interface LaneRules {
  /** Name of this process. */
  readonly holder: string;
  /** Between two writes of one installation. */
  readonly intervalMs: number;
  /** How long a turn lasts that nobody holds. */
  readonly leaseMs: number;
}

/** So many writes of an hour may tell progress; GitHub wants at most some 500 in all. */
const progressPerHour = 300;
/** From here on what is left of GitHub's hourly quota is kept for beginnings and ends. */
const quotaForProgress = 500;

/**
 * What is most urgent: the first word of a push, ends, beginnings of functions, progress. The end of a stack waits for
 * the ends of its functions: whoever sees it sees everything.
 */
const urgency = `
  case
    when report.ended and report.context = '${stackContext}' and exists (
      select from report part
      where part.push_id = report.push_id and part.context <> report.context
        and part.ended and part.unsent and part.next_at <= now()
    ) then 4
    when report.ended then 1
    when report.sent_version = 0 and report.context = '${stackContext}' then 0
    when report.sent_version = 0 then 2
    else 3
  end`;

const mayBeWritten = `
  report.unsent and (
    report.ended or report.sent_version = 0 or lane.hour_writes < ${progressPerHour}
      and (lane.quota_left is null or lane.quota_left > ${quotaForProgress} or lane.quota_resets_at <= now())
  )`;

/** A lane that two processes want is one's; the other skips it, or finds it busy. */
const takeStatement = `
  with lane as (
    select * from report_lane lane
    where lane.free_at <= now() and lane.busy_until <= now() and exists (
      select from report where report.installation_id = lane.installation_id and report.next_at <= now() and ${mayBeWritten}
    )
    order by lane.free_at limit 1
    for update skip locked
  ),
  chosen as (
    select report.*, lane.statuses_until > now() as statuses_only
    from lane join report using (installation_id) where report.next_at <= now() and ${mayBeWritten}
    order by ${urgency}, report.changed_at limit 1
  ),
  taken as (
    update report_lane taken set holder = $1, turn = taken.turn + 1, busy_until = now() + $2 * interval '1 ms'
    from chosen where taken.installation_id = chosen.installation_id
    returning taken.turn
  ),
  marked as (
    update report marked set uncertain = true
    from chosen where marked.push_id = chosen.push_id and marked.context = chosen.context
  )
  select chosen.*, taken.turn, delivery.received_at, push.log_key, case chosen.context when '${stackContext}' then (
      select json_agg(json_build_object('report', part.wanted, 'notes', part.notes) order by part.created_at, part.context)
      from report part where part.push_id = chosen.push_id and part.context <> chosen.context
    ) end as parts
  from chosen cross join taken
  left join delivery on delivery.guid = chosen.push_id left join push on push.id = chosen.push_id`;

interface TakenRow {
  readonly push_id: string;
  readonly installation_id: string;
  readonly repository_id: string;
  readonly owner: string;
  readonly repository: string;
  readonly sha: string;
  readonly wanted: Report;
  readonly notes: BuildNotes | null;
  readonly parts: readonly { report: Report; notes: BuildNotes | null }[] | null;
  readonly way: "check" | "status" | null;
  readonly statuses_only: boolean;
  readonly check_id: string | null;
  readonly annotations_sent: number;
  readonly uncertain: boolean;
  readonly sent_text: string | null;
  readonly bare: ReportTurn["bare"] | null;
  readonly log_key: string | null;
  readonly turn: string;
  readonly version: string;
  readonly first_shown_at: Date | null;
  readonly received_at: Date | null;
  readonly created_at: Date;
}

/**
 * Takes the turn to write the most urgent report of an installation that may be written for now.
 * @returns undefined where there is none at the moment
 * @throws BuilderError `database_unreachable`
 */
export async function takeTurn(
  database: Database,
  { holder, leaseMs }: Pick<LaneRules, "holder" | "leaseMs">,
): Promise<TakenTurn | undefined> {
  const [row] = await database.query<TakenRow>(takeStatement, [holder, leaseMs]);
  return row && turnOf(row);
}

function turnOf(row: TakenRow): TakenTurn {
  return {
    pushId: row.push_id,
    installationId: row.installation_id,
    repositoryId: row.repository_id,
    owner: row.owner,
    repository: row.repository,
    sha: row.sha,
    report: row.wanted,
    notes: row.notes ?? undefined,
    functions: (row.parts ?? []).map(({ report, notes }) => ({ report, notes: notes ?? undefined })),
    way: row.way ?? undefined,
    isStatusesOnly: row.statuses_only,
    checkId: row.check_id ?? undefined,
    annotationsSent: row.annotations_sent,
    isUncertain: row.uncertain,
    ...(row.bare && { bare: row.bare }),
    logKey: row.log_key ?? undefined,
    sentText: row.sent_text ?? undefined,
    turn: row.turn,
    version: row.version,
    sinceMs: (row.received_at ?? row.created_at).getTime(),
    isFirst: row.first_shown_at === null,
  };
}

/**
 * Lets a turn last for a further while: one that nobody holds is over soon, so that others go on after a process that died.
 * @returns false where it is over, and may be another's by now
 * @throws BuilderError `database_unreachable`
 */
export async function holdTurn(
  database: Database,
  { installationId, turn }: Pick<TakenTurn, "installationId" | "turn">,
  { leaseMs }: Pick<LaneRules, "leaseMs">,
): Promise<boolean> {
  const held = await database.query(
    `update report_lane set busy_until = now() + $3 * interval '1 ms'
    where installation_id = $1 and turn = $2 and busy_until > '-infinity' returning turn`,
    [installationId, turn, leaseMs],
  );
  return held.length === 1;
}

/**
 * How long until a turn may be taken, as far as is known now.
 * @returns undefined where nothing waits
 */
export async function nextTurnMs(database: Database): Promise<number | undefined> {
  const [row] = await database.query<{ ms: number | null }>(
    `select extract(epoch from min(greatest(lane.free_at, lane.busy_until, report.next_at)) - now()) * 1000 as ms
    from report join report_lane lane using (installation_id) where ${mayBeWritten}`,
  );
  return row?.ms === null || row?.ms === undefined ? undefined : Number(row.ms);
}

/** One write after another failed: longer and longer, up to ten minutes. */
const retrySeconds = "least(600, power(2, least(report.attempts, 10)))";
const limitSeconds = "least(3600, 60 * power(2, least(lane.limits, 6)))";
const hourIsOver = "lane.hour_from < now() - interval '1 hour'";

/** What a write leaves behind, as the values of the statement below; null: as it was. */
interface EndValues {
  readonly wrote: boolean;
  readonly pause_end?: Date | undefined;
  readonly statuses_only?: boolean;
  readonly quota_left?: number | undefined;
  readonly quota_resets_at?: Date | undefined;
  readonly whole?: boolean;
  readonly way?: "check" | "status";
  readonly check_id?: string | undefined;
  readonly annotations_sent?: number;
  readonly sent_text?: string;
  readonly refused?: string;
  readonly bare?: ReportTurn["bare"];
  readonly uncertain: boolean;
}

const endStatement = `
  with ended as (
    select * from json_to_record($1::json) as ended(kind text, wrote boolean, pause_end timestamptz,
      statuses_only boolean, quota_left integer, quota_resets_at timestamptz, whole boolean, way text, check_id text,
      annotations_sent integer, sent_text text, refused text, bare text, uncertain boolean)
  ),
  lane as (
    update report_lane lane set
      busy_until = '-infinity',
      free_at = case
        when ended.kind = 'paused' then coalesce(ended.pause_end, now() + ${limitSeconds} * interval '1 s')
        when ended.quota_left = 0 then ended.quota_resets_at
        when ended.wrote then now() + $2 * interval '1 ms'
        else lane.free_at
      end,
      limits = case ended.kind when 'paused' then lane.limits + 1 when 'shown' then 0 else lane.limits end,
      statuses_until = case when ended.statuses_only then now() + interval '1 hour' else lane.statuses_until end,
      quota_left = coalesce(ended.quota_left, lane.quota_left),
      quota_resets_at = coalesce(ended.quota_resets_at, lane.quota_resets_at),
      hour_from = case when ${hourIsOver} then now() else lane.hour_from end,
      hour_writes = case when ${hourIsOver} then 0 else lane.hour_writes end + ended.wrote::integer
    from ended where lane.installation_id = $3 and lane.turn = $4
    returning lane.turn
  )
  update report set
    sent_version = case when ended.whole then greatest(sent_version, $5::bigint) else sent_version end,
    way = coalesce(ended.way, report.way),
    check_id = coalesce(ended.check_id, report.check_id),
    annotations_sent = coalesce(ended.annotations_sent, report.annotations_sent),
    sent_text = coalesce(ended.sent_text, report.sent_text),
    notes = case when ended.whole and report.ended and report.version = $5::bigint then null else report.notes end,
    uncertain = ended.uncertain,
    refused = ended.refused,
    bare = coalesce(ended.bare, report.bare),
    attempts = case ended.kind when 'failed' then attempts + 1 when 'shown' then 0 else attempts end,
    next_at = case ended.kind when 'failed' then now() + ${retrySeconds} * interval '1 s' else now() end,
    first_shown_at = case ended.kind when 'shown' then coalesce(first_shown_at, now()) else first_shown_at end
  from ended, lane
  where push_id = $6 and context = $7`;

/**
 * Stores how a turn ended, and lets others write for the installation after the interval or the pause that GitHub asks for.
 * @throws BuilderError `database_unreachable`: the turn ends by itself then, when its time is over
 */
export async function endTurn(
  database: Database,
  { turn, written }: { turn: TakenTurn; written: Written },
  { intervalMs }: Pick<LaneRules, "intervalMs">,
): Promise<void> {
  const values = JSON.stringify({ kind: written.kind, ...valuesOf(turn, written) });
  const place = [turn.installationId, turn.turn, turn.version, turn.pushId, turn.report.context];
  await database.query(endStatement, [values, intervalMs, ...place]);
}

function valuesOf({ isUncertain }: TakenTurn, written: Written): EndValues {
  switch (written.kind) {
    case "shown":
      return {
        wrote: written.isWrite,
        uncertain: false,
        whole: written.isWhole,
        way: written.way,
        check_id: written.checkId,
        annotations_sent: written.annotationsSent,
        sent_text: written.text,
        quota_left: written.quota?.left,
        quota_resets_at: written.quota && new Date(written.quota.resetsAtMs),
      };
    case "paused":
      return {
        wrote: true,
        uncertain: isUncertain,
        pause_end: written.untilMs === undefined ? undefined : new Date(written.untilMs),
      };
    case "unpermitted":
      return { wrote: true, uncertain: false, way: "status", statuses_only: written.whole };
    case "unfit":
      return { wrote: true, uncertain: isUncertain, bare: "excuse" };
    case "refused":
      return { wrote: true, uncertain: isUncertain, refused: storable(written.reason) };
    case "failed":
      return { wrote: true, uncertain: isUncertain || written.uncertain };
  }
}

/** Gives back the turns that an earlier process of this name had when it died. */
export async function freeLanes(database: Database, { holder }: Pick<LaneRules, "holder">): Promise<void> {
  await database.query("update report_lane set busy_until = '-infinity' where holder = $1 and busy_until > now()", [
    holder,
  ]);
}
