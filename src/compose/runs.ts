import type { Database } from "../database/database.ts";
import { readNewerSha, storeEnd, storeFunctionEnds, storeFunctionStart, storeFunctions } from "../database/pushes.ts";
import { beginRun } from "../database/standing.ts";
import { messageOf } from "../errors.ts";
import type { Git } from "../git/git.ts";
import type { Log } from "../log.ts";
import type { Outcome, PushOutcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import type { Runs } from "../pipeline/runs.ts";
import type { Github } from "./github.ts";

/** Creates what the stories put down about their runs. */
export function createRuns(
  database: Database,
  { git, github, log }: { git: Git; github: Pick<Github, "sourceOf">; log: Log },
): Runs {
  const readHead = async (push: Push, options: { signal: AbortSignal }) => {
    try {
      return await git.headOf({ ...(await github.sourceOf(push, options)), ref: push.ref }, options);
    } catch (error) {
      options.signal.throwIfAborted();
      log.warn({ delivery: push.delivery, reason: messageOf(error) }, "what the branch's head is cannot be known now");
      return [];
    }
  };
  const newerOf = async ({ delivery }: Push, { state }: Pick<Outcome | PushOutcome, "state">) => {
    const newerSha = state === "cancelled" ? await readNewerSha(database, delivery) : undefined;
    return newerSha === undefined ? {} : { newerSha };
  };
  return {
    begin: (push, options) => beginRun(database, push.delivery, () => readHead(push, options)),
    plan: (push, functions) => storeFunctions(database, push.delivery, functions),
    beginFunction: (push, name) => storeFunctionStart(database, push.delivery, name),
    async endFunction(push, outcome) {
      await storeFunctionEnds(database, push.delivery, [outcome]);
      return newerOf(push, outcome);
    },
    async end(push, outcome) {
      await storeFunctionEnds(database, push.delivery, outcome.functions);
      await storeEnd(database, push.delivery, outcome);
      return newerOf(push, outcome);
    },
  };
}
