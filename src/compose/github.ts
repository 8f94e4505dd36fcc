import type { Config } from "../config.ts";
import { BuilderError } from "../errors.ts";
import { createGithubApp, type GithubApp } from "../github/app.ts";
import { cloneUrlOf, webUrlOf } from "../github/clone-url.ts";
import type { Log } from "../log.ts";
import type { Place } from "../model/place.ts";
import type { Push } from "../model/push.ts";
import type { Secrets } from "./secrets.ts";

/** GitHub as the stories use it. */
export interface Github {
  /** The App that we are; absent: none. */
  readonly app?: GithubApp;
  /** How a push's repository is fetched; the token is absent where we are no App of it. */
  sourceOf(push: Push, options: { signal: AbortSignal }): Promise<{ url: string; sha: string; token?: string }>;
}

/** Answers what is known of where a repository is today. */
type PlaceOf = (repositoryId: string) => Promise<Partial<Place>>;

function fullName({ owner, repository }: Push): string {
  return `${owner}/${repository}`.toLowerCase();
}

/**
 * Creates the way to GitHub. Without an App, public repositories are built and statuses are only logged. GitHub leads on
 * from a name that a repository had before, git follows nobody: what is fetched is fetched where it is today.
 */
export function createGithub(
  config: Config,
  { secrets, placeOf = async () => ({}), log }: { secrets: Secrets; placeOf?: PlaceOf; log: Log },
): Github {
  const { githubAppId: appId, githubApiUrl: apiUrl } = config;
  const addressOf = (push: Push) => ({ url: cloneUrlOf(push, { apiUrl, allowLoopback: true }), sha: push.sha });
  if (appId === undefined) {
    log.warn({}, "github_app_id is not set: statuses are only logged, and private repositories cannot be built");
    return {
      sourceOf: async (push) => addressOf(push),
    };
  }
  const privateKey = async () => {
    const key = await secrets("private-key");
    if (key !== undefined) return key;
    throw new BuilderError("setting_invalid", "github_app_id is set, but there is no secret private-key", {
      fix: "Put the App's private key (PEM) into the folder secret_mount_path as private-key.",
    });
  };
  const app = createGithubApp({
    appId,
    privateKey,
    apiUrl,
    way: config.reportWith === "checks" ? "check" : "status",
    webUrl: webUrlOf(apiUrl),
    ...(config.logLinks && { publicUrl: config.publicUrl }),
    log,
  });
  const reached = createReachedCheck(app);
  return {
    app,
    async sourceOf(push, { signal }) {
      if (push.installationId === undefined) return addressOf(push);
      const today = { ...push, ...(await placeOf(push.repositoryId)) };
      const { installationId = push.installationId, repositoryId } = today;
      // Under the name that images are named after: GitHub knows which repository has, or had, that.
      await reached({ ...push, installationId }, { signal });
      const token = await app.installationToken(
        { installationId, repositoryId, permissions: { contents: "read" } },
        { signal },
      );
      const isMoved = fullName(today) !== fullName(push);
      return { ...addressOf({ ...today, ...(isMoved && { cloneUrl: "" }) }), token };
    },
  };
}

const reachedMs = 5 * 60 * 1000;
const maxReached = 10_000;

/**
 * Creates the check that our App's installation reaches a repository under the name that an event gave it, by GitHub's
 * own word. A token alone would not say so: with one for any repository every public one can be fetched, and images
 * are named after the owner. A good answer counts for five minutes.
 */
function createReachedCheck({ facts }: GithubApp) {
  const reachedAt = new Map<string, number>();
  return async (place: Place, options: { signal: AbortSignal }): Promise<void> => {
    const { owner, repository, installationId } = place;
    const key = JSON.stringify([owner, repository, installationId]);
    if (Date.now() - (reachedAt.get(key) ?? 0) < reachedMs) return;
    if ((await facts.installationOf(place, options)) !== installationId) {
      const what = `the App's installation ${installationId} does not reach ${owner}/${repository}, or is suspended`;
      throw new BuilderError("github_refused", what, { fix: "Install the GitHub App on the repository." });
    }
    if (reachedAt.size >= maxReached) reachedAt.clear();
    reachedAt.set(key, Date.now());
  };
}
