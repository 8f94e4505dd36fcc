import type { Octokit } from "@octokit/rest";
import type { Log } from "../log.ts";
import { createHookDeliveries, type HookDeliveries } from "./hook-deliveries.ts";
import { createInstallationTokens, type TokenScope } from "./installation-tokens.ts";
import { createImpatientOctokit, createOctokit } from "./octokit.ts";
import { parsePrivateKey } from "./private-key.ts";
import { type AppRegistration, createRegistration } from "./registration.ts";
import { createReportWriter, type WriteReport } from "./report-writer.ts";
import { createRepositoryFacts, type RepositoryFacts } from "./repository-facts.ts";

export interface GithubApp {
  /**
   * Answers a token for one repository with no more than these permissions, good for at least ten minutes.
   * @throws BuilderError `github_failed`, `github_refused`, `setting_invalid`
   */
  installationToken(scope: TokenScope, options: { signal: AbortSignal }): Promise<string>;
  /** Writes a report, once; the answer says how that ended. */
  readonly writeReport: WriteReport;
  /** What GitHub notes of the App's webhook. */
  readonly deliveries: HookDeliveries;
  readonly facts: RepositoryFacts;
  readonly registration: AppRegistration;
}

export interface GithubAppOptions {
  readonly appId: string;
  /** The App's private key in PEM, read anew for each conversation: it may be replaced while we run. */
  privateKey(): Promise<string>;
  /** `https://api.github.com`, or GitHub Enterprise Server's `https://HOST/api/v3`. */
  readonly apiUrl: string;
  /** How reports are shown, where an installation permits it. */
  readonly way: "check" | "status";
  /** Address of GitHub's own pages: `https://github.com`. */
  readonly webUrl: string;
  /** Where people reach this installation's logs; absent: reports link to none. */
  readonly publicUrl?: string | undefined;
  readonly log: Log;
  readonly attemptMs?: number;
  readonly backoffMs?: number;
}

/**
 * Creates the App that we are to GitHub. It signs as itself (a JWT of its private key) only to get tokens of its
 * installations; everything else is done with such a token, narrowed to the repository and the permission at hand.
 */
export function createGithubApp(options: GithubAppOptions): GithubApp {
  const settings = { attemptMs: 30_000, backoffMs: 1000, ...options };
  const asApp = createAppClients(settings);
  const tokens = createInstallationTokens(asApp);
  return {
    installationToken: (scope, { signal }) => untilAborted(tokens.of(scope), signal),
    writeReport: createReportWriter({ ...settings, octokit: createImpatientOctokit(settings), tokens }),
    deliveries: createHookDeliveries(asApp),
    facts: createRepositoryFacts({ octokit: createOctokit(settings), tokens, asApp }),
    registration: createRegistration(asApp),
  };
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
