import type { Database } from "../../src/database/database.ts";
import { endTurn, type TakenTurn, takeTurn } from "../../src/database/report-lanes.ts";
import { type ReportedPush, storeReport } from "../../src/database/reports.ts";
import { type Report, stackContext } from "../../src/model/report.ts";
import type { Written } from "../../src/model/report-turn.ts";

const shown: Written = {
  kind: "shown",
  way: "check",
  checkId: "7",
  annotationsSent: 0,
  isWhole: true,
  isWrite: true,
  text: "t",
};

let pushes = 0;

/** A push of an installation of its own. */
export function newPush(): ReportedPush {
  pushes += 1;
  return {
    delivery: `push-${pushes}`,
    owner: "o",
    repository: "r",
    repositoryId: "1",
    sha: "a".repeat(40),
    installationId: String(pushes),
  };
}

/** What stories and loops do with reports, on one database. */
export function reportingOn(database: Database) {
  const tell = (push: ReportedPush, report: Partial<Report>, quiet = false) =>
    storeReport(
      database,
      { push, report: { context: stackContext, state: "running", description: "", ...report } },
      { quiet },
    );
  const take = (holder = "me", leaseMs = 60_000) => takeTurn(database, { holder, leaseMs });
  const end = (turn: TakenTurn, written: Partial<Written> = {}, intervalMs = 0) =>
    endTurn(database, { turn, written: { ...shown, ...written } as Written }, { intervalMs });
  /** Takes turns until there is none, and answers what was written, in order. */
  const drain = async (): Promise<readonly string[]> => {
    const written: string[] = [];
    for (let turn = await take(); turn; turn = await take()) {
      written.push(`${turn.report.context} ${turn.report.state}`);
      await end(turn);
    }
    return written;
  };
  return { tell, take, end, drain };
}
