import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { createCommands } from "../database/commands.ts";
import type { Database } from "../database/database.ts";
import { listRuns } from "../database/list-runs.ts";
import { isLogLink } from "../database/log-links.ts";
import type { Notices } from "../database/notices.ts";
import { type Run, type RunFunction, readFunctions, readRun } from "../database/pushes.ts";
import { BuilderError, messageOf } from "../errors.ts";
import type { BuildLogs } from "../logs/build-logs.ts";
import type { ApiFunction, ApiPush } from "../model/pushes-api.ts";
import { createApi } from "../server/api-routes.ts";
import { createLogLinkRoute } from "../server/log-link-route.ts";
import type { LogRouteHands } from "../server/log-route.ts";

/** Creates what is served below /api: pushes, their logs, cancelling and rebuilding. */
export function createApiDoor(config: Config, hands: ApiDoorHands): ReturnType<typeof createApi> {
  const { database, logs, leaving } = hands;
  const commands = createCommands(database, {
    supersede: { running: config.supersedeRunning, max: config.maxSuperseded },
  });
  return createApi({
    readTokens: () => readTokens(config.secretFolder),
    list: async (filter) => (await listRuns(database, filter)).map(apiPush),
    async read(id) {
      const [run, functions] = await Promise.all([readRun(database, id), readFunctions(database, id)]);
      return run && { ...apiPush(run), functions: functions.map(apiFunction) };
    },
    cancel: commands.cancel,
    rebuild: commands.rebuild,
    leaving,
    readLog: ({ push, name }, from) => logs.read({ push, function: name }, from),
    followLog: followerOf(hands),
  });
}

/** Creates what serves the links to logs that GitHub shows. */
export function createLogLinkDoor({ logLinks }: Config, hands: ApiDoorHands): ReturnType<typeof createLogLinkRoute> {
  return createLogLinkRoute({
    isKey: async ({ push, name }, key) => logLinks && isLogLink(hands.database, { push, function: name, key }),
    followLog: followerOf(hands),
    leaving: hands.leaving,
  });
}

interface ApiDoorHands {
  readonly database: Database;
  readonly logs: BuildLogs;
  readonly notices: Notices;
  readonly leaving: AbortSignal;
}

function followerOf({ database, logs, notices }: ApiDoorHands): LogRouteHands["followLog"] {
  return ({ push, name }, options) =>
    logs.follow(
      { push, function: name },
      {
        ...options,
        hasEnded: () => hasEnded(database, push, name),
        hear: (listener) => notices.hear((notice) => (!notice || notice.push === push) && listener()),
      },
    );
}

/** The file of the tokens; each time anew, as they come and go. */
export async function readTokens(folder: string): Promise<string> {
  const file = join(folder, "api-tokens");
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw new BuilderError("setting_invalid", `secret ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** A run that was forgotten has ended, too. */
async function hasEnded(database: Database, id: string, name: string): Promise<boolean> {
  const [run, functions] = await Promise.all([readRun(database, id), readFunctions(database, id)]);
  const work = functions.find((candidate) => candidate.function === name);
  return !run || run.endedAt !== null || (work !== undefined && work.endedAt !== null);
}

function apiPush({ id, owner, repository, branch, ref, sha, environment, kind, force, ...run }: Run): ApiPush {
  return {
    ...{ id, owner, repository, branch, ref, sha, environment, kind, force },
    state: run.state,
    description: run.description,
    superseded_by: run.supersededBy,
    created_at: run.createdAt.toISOString(),
    started_at: timeText(run.startedAt),
    ended_at: timeText(run.endedAt),
  };
}

function apiFunction({
  function: name,
  state,
  step,
  image,
  digest,
  seconds,
  reason,
  ...times
}: RunFunction): ApiFunction {
  return {
    ...{ name, state, step, image, digest, seconds, reason },
    started_at: timeText(times.startedAt),
    ended_at: timeText(times.endedAt),
  };
}

function timeText(time: Date | null): string | null {
  return time?.toISOString() ?? null;
}
