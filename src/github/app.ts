import type { Octokit } from "@octokit/rest";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { Push } from "../model/push.ts";
import { isUnauthorized, speaking } from "./github-error.ts";
import { createInstallationTokens, type TokenScope } from "./installation-tokens.ts";
import { createOctokit } from "./octokit.ts";
import { parsePrivateKey } from "./private-key.ts";
import { createPace } from "./write-pace.ts";

export interface CommitStatus {
  readonly context: string;
  readonly state: "pending" | "success" | "failure" | "error";
  /** Cut to what GitHub takes. */
  readonly description: string;
  readonly targetUrl?: string;
}

export interface GithubApp {
  /**
   * Answers a token for one repository with no more than these permissions, good for at least ten minutes.
   * @throws BuilderError `github_failed`, `github_refused`, `setting_invalid`
   */
  installationToken(scope: TokenScope, options: { signal: AbortSignal }): Promise<string>;
  /**
   * Shows a status beside the pushed commit; a later one of the same context replaces it.
   * @throws BuilderError `github_failed`, `github_refused`, `setting_invalid`
   */
  setStatus(push: Push, status: CommitStatus, options: { signal: AbortSignal }): Promise<void>;
}

export interface GithubAppOptions {
  readonly appId: string;
  /** The App's private key in PEM, read anew for each conversation: it may be replaced while we run. */
  privateKey(): Promise<string>;
  /** `https://api.github.com`, or GitHub Enterprise Server's `https://HOST/api/v3`. */
  readonly apiUrl: string;
  readonly log: Log;
  readonly attemptMs?: number;
  readonly backoffMs?: number;
}

const maxDescription = 140;

/**
 * Creates the App that we are to GitHub. It signs as itself (a JWT of its private key) only to get tokens of its
 * installations; everything else is done with such a token, narrowed to the repository and the permission at hand.
 */
export function createGithubApp(options: GithubAppOptions): GithubApp {
  const settings = { attemptMs: 30_000, backoffMs: 1000, ...options };
  const anonymous = createOctokit(settings);
  const tokens = createInstallationTokens(createAppClients(settings));
  const pace = createPace();

  const send = async (push: Push, status: CommitStatus, signal: AbortSignal) => {
    const scope = statusScope(push);
    await pace(scope.installationId, { signal });
    try {
      await postStatus(anonymous, { push, status, token: await tokens.of(scope), signal });
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      // The token was revoked, or the App installed anew.
      tokens.forget(scope);
      await postStatus(anonymous, { push, status, token: await tokens.of(scope), signal });
    }
  };

  return {
    installationToken: (scope, { signal }) => untilAborted(tokens.of(scope), signal),
    setStatus(push, status, { signal }) {
      const what = `show ${status.state} for "${status.context}" at ${push.owner}/${push.repository}@${push.sha.slice(0, 7)}`;
      return untilAborted(
        speaking(what, () => send(push, status, signal)),
        signal,
      );
    },
  };
}

/** Cuts a text to 140 characters as GitHub counts them, never through one, with "…" where something is missing. */
export function cutDescription(text: string): string {
  const characters = Array.from(text.replaceAll(/\p{Cc}+/gu, " "));
  return characters.length <= maxDescription
    ? characters.join("")
    : `${characters.slice(0, maxDescription - 1).join("")}…`;
}

/** One client for each key that was in force: the newest. */
function createAppClients(options: Parameters<typeof createOctokit>[0] & GithubAppOptions): () => Promise<Octokit> {
  let known: { key: string; client: Octokit } | undefined;
  return async () => {
    const key = parsePrivateKey(await options.privateKey());
    if (known?.key !== key) {
      known = { key, client: createOctokit(options, { appId: options.appId, privateKey: key }) };
    }
    return known.client;
  };
}

function statusScope({ installationId, repositoryId, owner, repository }: Push): TokenScope {
  if (installationId === undefined) {
    throw new BuilderError(
      "github_refused",
      `the push to ${owner}/${repository} came from no installation of the App`,
      {
        fix: "Install the GitHub App on the repository; a webhook of the repository itself is not enough.",
      },
    );
  }
  return { installationId, repositoryId, permissions: { statuses: "write" } };
}

async function postStatus(
  octokit: Octokit,
  { push, status, token, signal }: { push: Push; status: CommitStatus; token: string; signal: AbortSignal },
): Promise<void> {
  await octokit.request("POST /repos/{owner}/{repo}/statuses/{sha}", {
    owner: push.owner,
    repo: push.repository,
    sha: push.sha,
    state: status.state,
    context: status.context,
    description: cutDescription(status.description),
    ...(status.targetUrl !== undefined && { target_url: status.targetUrl }),
    headers: { authorization: `token ${token}` },
    request: { signal },
  });
}

/** Octokit's plugins wait without a signal: whoever aborts shall not wait with them. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, work]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
