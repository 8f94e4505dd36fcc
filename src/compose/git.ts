import type { Config, Surroundings } from "../config.ts";
import { createGit, type Git } from "../git/git.ts";
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
    templateRefreshMs: config.templateRefreshMs,
    log,
  });
}
