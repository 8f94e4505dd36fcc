import type { Config, Surroundings } from "../config.ts";
import { BuilderError } from "../errors.ts";
import { createGit, type Git } from "../git/git.ts";
import { readGitVersion } from "../git/git-version.ts";
import type { Log } from "../log.ts";
import { keptBy } from "./git-cache.ts";

/** Creates the server's way to git: plain HTTP only beside a GitHub that speaks it, which is one for development. */
export function createServerGit(
  config: Config,
  { temporaryFolder, surroundings, log }: { temporaryFolder: string; surroundings: Surroundings; log: Log },
): Git {
  return createGit({
    temporaryFolder,
    allowHttp: config.githubApiUrl.startsWith("http:"),
    environment: surroundings.environment,
    kept: keptBy(config),
    reuseFiles: true,
    templateRefreshMs: config.templateRefreshMs,
    log,
  });
}

interface Looking {
  readonly surroundings: Surroundings;
  readonly signal: AbortSignal;
}

/** What the doctor finds of git; `wrong` where there is none. */
export async function examineGit({ surroundings, signal }: Looking) {
  try {
    const { version, state, remark, fix } = await readGitVersion(surroundings.environment, { signal });
    return { what: `git ${version}`, state, lines: remark === "" ? [] : [remark], fix };
  } catch (error) {
    if (!(error instanceof BuilderError)) throw error;
    return { what: "git", state: "wrong" as const, lines: [error.message], fix: error.fix };
  }
}

/** Says in the log what is to be thought of git. A server without one still builds what is sent to it. */
export async function logGit({ log, ...looking }: Looking & { log: Log }): Promise<void> {
  const { what, state, lines, fix } = await examineGit(looking);
  const sentence = [what, ...lines].join(": ");
  if (state === "good") log.info({}, sentence);
  else log.warn({ fix }, sentence);
}
