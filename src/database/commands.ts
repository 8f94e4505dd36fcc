import { randomUUID } from "node:crypto";
import { BuilderError } from "../errors.ts";
import { storyQueue } from "../model/story-queue.ts";
import type { Database } from "./database.ts";
import { noticeChannel } from "./notices.ts";
import { type Run, readFunctions, readRun } from "./pushes.ts";
import { type RunWork, runParts, runValues, type SupersedeRules } from "./start-run.ts";
import { storable } from "./text.ts";

/** What people may ask for of a run. Whether they may is asked before. */
export interface Commands {
  /**
   * Asks a run to end. What waits has ended with that; what runs ends as soon as the process that runs it has heard.
   * @param by who asks, for whoever looks at it later
   * @returns `ended` when it had ended before
   * @throws BuilderError `run_unknown`, `database_unreachable`
   */
  cancel(id: string, asked: { by: string }): Promise<"cancelled" | "ended">;
  /**
   * Starts a new run of what a run has built.
   * @returns its id
   * @throws BuilderError `run_unknown`, `database_unreachable`
   */
  rebuild(id: string, how: Rebuild): Promise<string>;
  /** Starts a new run of what did not end well in a run; undefined when all did. */
  rerunFailed(id: string, how?: Pick<Rebuild, "newId">): Promise<string | undefined>;
}

export interface Rebuild {
  /** Builds what has not changed, too. */
  readonly force?: boolean;
  /** Only these functions; absent: all. */
  readonly only?: readonly string[];
  /** Builds what was not to be built without a person's word. */
  readonly approved?: boolean;
  /** Id of the new run, so that asking twice starts one; a new UUID where absent. */
  readonly newId?: string;
}

/** Creates the commands. They work on the tables alone: any process may give them, with an engine or without. */
export function createCommands(database: Database, { supersede }: { supersede: SupersedeRules }): Commands {
  const known = async (id: string): Promise<Run> => {
    const run = await readRun(database, id);
    if (run) return run;
    throw new BuilderError("run_unknown", `there is no run "${id}"`);
  };
  const start = async (work: RunWork) => {
    await database.query(startStatement, [...runValues([work], supersede), work.push.delivery]);
    return work.push.delivery;
  };
  return {
    async cancel(id, { by }) {
      await known(id);
      const rows = await database.query(cancelStatement, [id, `cancelled by ${storable(by)}`]);
      return rows.length > 0 ? "cancelled" : "ended";
    },
    async rebuild(id, how) {
      return start(rebuiltWork(await known(id), how));
    },
    async rerunFailed(id, how = {}) {
      const run = await known(id);
      const functions = await readFunctions(database, id);
      const failed = functions.filter(({ state }) => !goodStates.has(state)).map((one) => one.function);
      // A stack that could not be read has none.
      if (failed.length === 0 && (functions.length > 0 || run.state === "success")) return undefined;
      return start(rebuiltWork(run, { ...how, ...(failed.length > 0 && { only: failed }) }));
    },
  };
}

const goodStates: ReadonlySet<string> = new Set(["built", "unchanged", "skipped"]);

/** A queued run's story begins at once, so that GitHub is told: a place to work in is not needed for that. */
const cancelStatement = `
  with cancelled as (
    update push set cancelled_at = now(), description = $2,
      state = case state when 'queued' then 'cancelled' else state end,
      ended_at = case state when 'queued' then now() end
    where id = $1 and state in ('queued', 'running') and cancelled_at is null
    returning id
  ),
  freed as (
    update dbos.workflow_status set queue_name = '${storyQueue.atOnce}', queue_partition_key = null
    from cancelled where workflow_uuid = cancelled.id and status = 'ENQUEUED'
  )
  select pg_notify('${noticeChannel}', json_build_object('push', id, 'what', 'cancelled')::text) from cancelled`;

const startStatement = `
  with wished as (select $5 as starts where not exists (select from push where id = $5)),
  ${runParts("wished")}
  select * from enqueued`;

function rebuiltWork({ work }: Run, { force = false, only, approved = false, newId = randomUUID() }: Rebuild): RunWork {
  const { push, skip } = work;
  return {
    push: { ...push, delivery: newId, kind: "rebuild" },
    ...(skip !== undefined && !approved && { skip }),
    ...(force && { force }),
    ...(only && { only }),
  };
}
