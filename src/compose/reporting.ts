import type { Config } from "../config.ts";
import type { Database } from "../database/database.ts";
import { endLostRuns } from "../database/lost-runs.ts";
import { endTurn, freeLanes, holdTurn, nextTurnMs, type TakenTurn, takeTurn } from "../database/report-lanes.ts";
import { storeNotes, storeReport } from "../database/reports.ts";
import { readUntold } from "../database/untold-reports.ts";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { createBuildLines } from "../logs/build-lines.ts";
import type { Push } from "../model/push.ts";
import type { Redactor } from "../model/redaction.ts";
import { type BuildNotes, isEnd, stackContext, statusOf } from "../model/report.ts";
import type { Written } from "../model/report-turn.ts";
import type { BuildLines } from "../pipeline/build-notes.ts";
import { runEvery } from "../pipeline/every.ts";
import { untoldReports } from "../pipeline/reconcile-reports.ts";
import { isFailure, type Reporter } from "../pipeline/report.ts";
import { type ReportingLoop, startReporting } from "../pipeline/reporting.ts";
import type { Metrics } from "../server/metrics.ts";
import type { Foundation } from "./foundation.ts";
import { createSecretRedactor } from "./secret-values.ts";

/** What stories tell GitHub through, and the loop that writes it. */
export interface ServerReporting extends Pick<ReportingLoop, "stop"> {
  readonly reporter: Reporter;
  /** Begins the lines of one build's log. */
  openLines(): Promise<BuildLines>;
}

/** A process that writes says so each second; one that died is followed after this time. */
const leaseMs = 5_000;
/** How often GitHub is held against the rows of runs: a run that waits is shown by that alone. */
const reconcileEveryMs = 5_000;
/** Of what a build tells while it runs, so much is kept for GitHub as a person can follow. */
const notesEveryMs = 3_000;

/**
 * Starts telling GitHub, which every process does: one installation is written for by one of them at a time. Without an
 * App, and of pushes that came by another webhook than the App's, reports are only logged.
 * @param options.holder name of this process; the same after a restart
 */
export async function startServerReporting(
  config: Config,
  { github: { app }, database, surroundings, metrics, log }: Foundation,
  { holder }: { holder: string },
): Promise<ServerReporting> {
  const logged = loggedReporter(log);
  const redactor = createSecretRedactor(config, surroundings);
  const openLines = async () => createBuildLines(await redactor());
  if (!app) return { reporter: logged, openLines, stop: async () => {} };
  const intervalMs = config.reportIntervalMs;
  await freeLanes(database, { holder });
  const loop = startReporting<TakenTurn>({
    take: () => takeTurn(database, { holder, leaseMs }),
    hold: (turn) => holdTurn(database, turn, { leaseMs }),
    nextMs: () => nextTurnMs(database),
    end: (turn, written) => endTurn(database, { turn, written }, { intervalMs }),
    write: app.writeReport,
    onEnd(turn, written) {
      logTurn(log, turn, written);
      if (written.kind === "shown") tellTimes(turn, metrics);
    },
    onFault: (error) => log.warn({ reason: messageOf(error) }, "GitHub is told later: the reporting loop goes on soon"),
  });
  const onFault = (error: unknown) =>
    log.warn({ reason: messageOf(error) }, "runs are not compared with their reports");
  const reconciling = runEvery(
    reconcileEveryMs,
    async () => {
      for (const delivery of await endLostRuns(database)) log.error({ delivery }, "a run's work ended without a word");
      await reconcile(database, { loop, redactor });
    },
    onFault,
  );
  return {
    reporter: storingReporter(database, { loop, logged, redactor, log }),
    openLines,
    async stop(limits) {
      await reconciling[Symbol.asyncDispose]();
      await loop.stop(limits);
    },
  };
}

/** Tells what stories did not. */
async function reconcile(
  database: Database,
  { loop, redactor }: { loop: ReportingLoop; redactor: () => Promise<Redactor> },
): Promise<void> {
  const untold = await readUntold(database);
  for (const run of untold) {
    for (const report of withoutSecrets(untoldReports(run), await redactor())) {
      // A function that failed is shown in any case; others where they were.
      const quiet = report.context !== stackContext && !isFailure(report);
      await storeReport(database, { push: run.push, report }, { quiet });
    }
  }
  if (untold.length > 0) loop.wake();
}

function storingReporter(
  database: Database,
  {
    loop,
    logged,
    redactor,
    log,
  }: { loop: ReportingLoop; logged: Reporter; redactor: () => Promise<Redactor>; log: Log },
): Reporter {
  const redacted = async <T>(value: T) => withoutSecrets(value, await redactor());
  const heard = createHeard(async (told) => {
    try {
      await storeNotes(database, await redacted(told));
      loop.wake();
    } catch (error) {
      log.debug({ reason: messageOf(error) }, "what builds tell is not kept for now");
    }
  });
  return {
    async tell(push, report, options) {
      const { installationId } = push;
      if (installationId === undefined) return logged.tell(push, report, options);
      await storeReport(database, { push: { ...push, installationId }, report: await redacted(report) }, options);
      loop.wake();
    },
    hear: (push, context, notes) => heard.hear({ push: push.delivery, context, notes }),
    async keep(push, context, notes) {
      const told = { push: push.delivery, context, notes };
      heard.forget(told);
      await storeNotes(database, await redacted([told]));
    },
  };
}

interface Told {
  readonly push: string;
  readonly context: string;
  readonly notes: BuildNotes;
}

/** Collects what builds tell, the newest of each, and gives it on now and then. */
function createHeard(give: (told: readonly Told[]) => Promise<void>) {
  const newest = new Map<string, Told>();
  const keyOf = ({ push, context }: Told) => `${push}/${context}`;
  const giveAll = async () => {
    const told = [...newest.values()];
    newest.clear();
    await give(told);
  };
  return {
    hear(told: Told) {
      if (newest.size === 0) setTimeout(giveAll, notesEveryMs).unref();
      newest.set(keyOf(told), told);
    },
    forget: (told: Told) => newest.delete(keyOf(told)),
  };
}

/** Whatever GitHub shows, everybody who may read the repository sees. */
function withoutSecrets<T>(value: T, redactor: Redactor): T {
  return JSON.parse(
    JSON.stringify(value, (_key, part) => (typeof part === "string" ? redactor.text(part) : part)),
  ) as T;
}

function loggedReporter(log: Log): Reporter {
  return {
    async tell({ owner, repository, sha }: Push, report, { quiet }) {
      const { context, state, description } = statusOf(report);
      if (!quiet) log.info({ commit: `${owner}/${repository}@${sha.slice(0, 7)}`, context, state }, description);
    },
    hear: () => {},
    keep: async () => {},
  };
}

function logTurn(log: Log, { pushId, owner, repository, sha, report }: TakenTurn, written: Written): void {
  const about = { delivery: pushId, commit: `${owner}/${repository}@${sha.slice(0, 7)}`, context: report.context };
  if (written.kind === "refused") log.error(about, `GitHub does not show a report: ${written.reason}`);
  else if (written.kind !== "shown") log.warn({ ...about, how: written.kind }, `GitHub: ${written.reason}`);
}

/** Tells how long after its push GitHub showed something of it. */
function tellTimes({ isFirst, report, sinceMs }: TakenTurn, metrics: Metrics): void {
  if (report.context !== stackContext) return;
  const ms = Math.max(0, Date.now() - sinceMs);
  if (isFirst) metrics.firstShown(ms);
  if (isEnd(report)) metrics.endShown(ms);
}
