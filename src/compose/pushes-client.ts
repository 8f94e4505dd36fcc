import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Given } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { createPushesClient, type PushesClient } from "../remote/pushes-client.ts";

/** Where a server is and what it is shown, as a command line and the environment give it. */
export interface ServerOptions {
  /** Default: $OF_BUILDER_SERVER, else http://127.0.0.1:8080. */
  readonly server?: string;
  /** File with the token; default: $OF_BUILDER_TOKEN itself. */
  readonly tokenFile?: string;
}

/**
 * Opens the API of a server.
 * @throws BuilderError `usage` where an address or a token is missing
 */
export async function openPushesClient(
  { server, tokenFile }: ServerOptions,
  { env, folder, signal }: { env: Given; folder: string; signal: AbortSignal },
): Promise<PushesClient> {
  const url = server || env.OF_BUILDER_SERVER || "http://127.0.0.1:8080";
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new BuilderError("usage", `"${url}" is no address of a server: expected https://HOST`);
  }
  const token = tokenFile ? await readToken(resolve(folder, tokenFile)) : env.OF_BUILDER_TOKEN;
  if (token) return createPushesClient({ url, token, signal });
  throw new BuilderError("usage", "there is no token for the server", {
    fix: "Make one with of-builder token, and give it in OF_BUILDER_TOKEN or with --token-file.",
  });
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new BuilderError("usage", `token file "${file}": ${messageOf(cause)}`, { cause });
  }
}
