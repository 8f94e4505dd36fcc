import type { Config } from "../config.ts";
import { createCommands } from "../database/commands.ts";
import type { Database } from "../database/database.ts";
import { messageOf } from "../errors.ts";
import type { GithubApp } from "../github/app.ts";
import type { Log } from "../log.ts";
import { runEvery } from "../pipeline/every.ts";
import { startAskedCommands } from "./asked-commands.ts";
import { startFinding } from "./finding.ts";
import type { Intake } from "./intake.ts";
import { keepHook } from "./keep-hook.ts";

/**
 * Starts what goes on beside the webhook, in every process: finding what it did not bring, and doing what people ask for
 * by it.
 */
export function startGithubLoops(
  config: Config,
  { app, database, intake, log }: { app: GithubApp | undefined; database: Database; intake: Intake; log: Log },
): AsyncDisposable {
  const stack = new AsyncDisposableStack();
  if (app) {
    const supersede = { running: config.supersedeRunning, max: config.maxSuperseded };
    const { publicUrl } = config;
    if (publicUrl !== undefined) stack.use(keepWebhook(publicUrl, { app, log }));
    stack.use(startFinding(config, { app, database, intake, log }));
    stack.use(startAskedCommands({ app, database, commands: createCommands(database, { supersede }), intake, log }));
  }
  return stack;
}

const hookEveryMs = 60 * 60 * 1000;

/** Has GitHub deliver to the public address, also after somebody has changed it there. */
function keepWebhook(publicUrl: string, { app, log }: { app: GithubApp; log: Log }): AsyncDisposable {
  return runEvery(
    hookEveryMs,
    async ({ signal }) => {
      const before = await keepHook(publicUrl, { app, signal });
      if (before !== "") log.info({ before, publicUrl }, "GitHub delivers to this server's public address now");
    },
    (error) => log.warn({ reason: messageOf(error) }, "the App's webhook could not be looked at"),
  );
}
