import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { webUrlOf } from "../github/clone-url.ts";
import { type AppCredentials, convertManifest } from "../github/registration.ts";
import type { Log } from "../log.ts";
import { listen } from "../server/listen.ts";
import { createSetupApp } from "../server/setup-app.ts";
import { checkApp } from "./app-check.ts";
import type { Finding } from "./doctor-finding.ts";
import { createGithub } from "./github.ts";
import { keepHook } from "./keep-hook.ts";
import { createSecrets } from "./secrets.ts";

/** What a person may say beforehand. */
export interface SetupWishes {
  readonly name: string;
  readonly organization: string;
  /** Port of the page on this machine; 0 = any free one. */
  readonly port: number;
}

interface SetupOptions {
  readonly config: Config;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Looks at the App, and has GitHub deliver to the server's public address where it is another one.
 * @returns whether the webhook was moved, and what was found
 */
export async function examineApp({
  config,
  log,
  signal,
}: SetupOptions): Promise<{ moved: string; findings: readonly Finding[] }> {
  const secrets = createSecrets(config.secretFolder);
  const { app } = createGithub(config, { secrets, log });
  const moved =
    app && config.publicUrl !== undefined ? await keepHook(config.publicUrl, { app, signal }).catch(onKnown) : "";
  return { moved, findings: await checkApp(config, { secrets, app, signal }) };
}

/** What is wrong is told by the check that follows. */
function onKnown(error: unknown): string {
  if (error instanceof BuilderError) return "";
  throw error;
}

export interface SetupPages extends AsyncDisposable {
  /** To be opened in a browser; good once. */
  readonly address: string;
  /** Resolves when a page has shown that nothing is missing. */
  readonly done: Promise<void>;
}

/**
 * Opens the pages on this machine through which GitHub makes the App.
 * @param options.readConfig reads the settings anew, with the App that was made
 */
export async function openSetupPages(
  wishes: SetupWishes,
  { config, readConfig, log, signal }: SetupOptions & { readConfig(): Promise<Config> },
): Promise<SetupPages> {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let origin = "";
  const { app, key } = createSetupApp(
    {
      fields: { ...wishes, publicUrl: config.publicUrl ?? "" },
      webUrl: webUrlOf(config.githubApiUrl),
      hasCredentials: async () => (await createSecrets(config.secretFolder)("private-key")) !== undefined,
      async takeCode(code) {
        const talk = { apiUrl: config.githubApiUrl, log, attemptMs: 30_000, backoffMs: 1000, signal };
        await storeCredentials(config.secretFolder, await convertManifest(code, talk));
      },
      async check() {
        const { findings } = await examineApp({ config: await readConfig(), log, signal });
        if (findings.every(({ state }) => state === "good")) setImmediate(resolve);
        return findings;
      },
    },
    { origin: () => origin },
  );
  const listening = await listen(app, { host: "127.0.0.1", port: wishes.port });
  origin = listening.url;
  return {
    address: `${origin}/?key=${key}`,
    done,
    [Symbol.asyncDispose]: () => listening.close({ limitMs: 0 }),
  };
}

/** Nothing is written over: whoever has the old key may still need it. */
async function storeCredentials(folder: string, { id, privateKey, webhookSecret }: AppCredentials): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // The key last: with it there are credentials.
    await writeNew(join(folder, "github-app-id"), `${id}\n`);
    await writeNew(join(folder, "github-webhook-secret"), `${webhookSecret}\n`);
    await writeNew(join(folder, "private-key"), privateKey);
  } catch (cause) {
    throw new BuilderError("setting_invalid", `the App's credentials cannot be stored: ${messageOf(cause)}`, {
      cause,
      fix: `Delete the App on GitHub, make room in ${folder}, and run of-builder setup again.`,
    });
  }
}

async function writeNew(file: string, text: string): Promise<void> {
  await using handle = await open(file, "wx", 0o600);
  await handle.writeFile(text);
}
