import type { Config } from "../config.ts";
import { BuilderError } from "../errors.ts";
import { createGithubApp } from "../github/app.ts";
import { cloneUrlOf } from "../github/clone-url.ts";
import type { Log } from "../log.ts";
import type { Push } from "../model/push.ts";
import type { Reporter } from "../pipeline/report.ts";
import type { Secrets } from "./secrets.ts";

/** GitHub as the stories use it. */
export interface Github extends Reporter {
  /** How a push's repository is fetched; the token is absent where we are no App of it. */
  sourceOf(push: Push, options: { signal: AbortSignal }): Promise<{ url: string; sha: string; token?: string }>;
}

/** Creates the way to GitHub. Without an App, public repositories are built and statuses are only logged. */
export function createGithub(config: Config, { secrets, log }: { secrets: Secrets; log: Log }): Github {
  const { githubAppId: appId, githubApiUrl: apiUrl } = config;
  const addressOf = (push: Push) => ({ url: cloneUrlOf(push, { apiUrl, allowLoopback: true }), sha: push.sha });
  if (appId === undefined) {
    log.warn({}, "github_app_id is not set: statuses are only logged, and private repositories cannot be built");
    return {
      sourceOf: async (push) => addressOf(push),
      setStatus: async ({ owner, repository, sha }, { context, state, description }) =>
        log.info({ commit: `${owner}/${repository}@${sha.slice(0, 7)}`, context, state }, description),
    };
  }
  const privateKey = async () => {
    const key = await secrets("private-key");
    if (key !== undefined) return key;
    throw new BuilderError("setting_invalid", "github_app_id is set, but there is no secret private-key", {
      fix: "Put the App's private key (PEM) into the folder secret_mount_path as private-key.",
    });
  };
  const app = createGithubApp({ appId, privateKey, apiUrl, log });
  return {
    async sourceOf(push, { signal }) {
      const { installationId, repositoryId } = push;
      if (installationId === undefined) return addressOf(push);
      const token = await app.installationToken(
        { installationId, repositoryId, permissions: { contents: "read" } },
        { signal },
      );
      return { ...addressOf(push), token };
    },
    async setStatus(push, status, { signal }) {
      // A webhook of a repository without our App brings pushes that we may build but not comment.
      if (push.installationId === undefined)
        log.info({ context: status.context, state: status.state }, status.description);
      else await app.setStatus(push, status, { signal });
    },
  };
}
