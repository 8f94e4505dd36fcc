import type { Octokit } from "@octokit/rest";
import { speaking } from "./github-error.ts";

/** What a token shall be good for, and nothing beyond. */
export interface TokenScope {
  readonly installationId: string;
  readonly repositoryId: string;
  readonly permissions: Readonly<Record<string, "read" | "write">>;
}

interface Kept {
  readonly text: Promise<string>;
  /** Unix milliseconds; without end while the token is still asked for, so that all who want it share one request. */
  usableUntil: number;
}

/** A clone may still be running with it. */
const spareMs = 10 * 60 * 1000;
const maxTokens = 10_000;

export interface InstallationTokens {
  /**
   * Answers a token of one installation, narrowed to one repository and its permissions; the same one until ten
   * minutes before it expires.
   * @throws BuilderError `github_failed`, `github_refused`
   */
  of(scope: TokenScope): Promise<string>;
  /** Forgets a token that GitHub does not take any more. */
  forget(scope: TokenScope): void;
}

/**
 * Creates the store of installation tokens, in memory only.
 * @param asApp the App's own client
 */
export function createInstallationTokens(asApp: () => Promise<Octokit>): InstallationTokens {
  const tokens = new Map<string, Kept>();

  const ask = (key: string, scope: TokenScope): Kept => {
    const answer = speaking("give a token for a repository", async () => requestToken(await asApp(), scope));
    const kept: Kept = {
      usableUntil: Number.POSITIVE_INFINITY,
      text: answer.then(({ token, expires_at }) => {
        kept.usableUntil = Date.parse(expires_at) - spareMs;
        return token;
      }),
    };
    kept.text.catch(() => tokens.get(key) === kept && tokens.delete(key));
    if (tokens.size >= maxTokens) tokens.clear();
    tokens.set(key, kept);
    return kept;
  };

  return {
    of(scope) {
      const key = keyOf(scope);
      const kept = tokens.get(key);
      return kept && kept.usableUntil > Date.now() ? kept.text : ask(key, scope).text;
    },
    forget(scope) {
      tokens.delete(keyOf(scope));
    },
  };
}

async function requestToken(octokit: Octokit, { installationId, repositoryId, permissions }: TokenScope) {
  const { data } = await octokit.request("POST /app/installations/{installation_id}/access_tokens", {
    // Text and a big integer keep ids beyond 2^53 exact; Octokit writes both as they are.
    installation_id: installationId as unknown as number,
    repository_ids: [BigInt(repositoryId) as unknown as number],
    permissions,
  });
  return data;
}

function keyOf({ installationId, repositoryId, permissions }: TokenScope): string {
  return JSON.stringify([installationId, repositoryId, Object.entries(permissions).sort()]);
}
