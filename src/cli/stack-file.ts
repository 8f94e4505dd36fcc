import { readFile } from "node:fs/promises";
import { BuilderError, messageOf } from "../errors.ts";

/** faas-cli's limit. */
const timeoutMs = 120_000;
const maxBytes = 1024 * 1024;

/**
 * Reads the stack file that a command line names: a path, or an http or https address.
 * @returns its text, and its name for errors
 * @throws BuilderError `usage` where there is none
 */
export async function readStackFile(
  file: string,
  { signal }: { signal: AbortSignal },
): Promise<{ file: string; text: string }> {
  const isAddress = /^[a-z][a-z0-9+.-]+:\/\//i.test(file);
  try {
    return { file, text: isAddress ? await download(new URL(file), signal) : await readFile(file, "utf8") };
  } catch (cause) {
    signal.throwIfAborted();
    throw new BuilderError("usage", `stack file "${withoutPassword(file)}": ${reasonOf(cause)}`, {
      cause,
      fix: isAddress ? "Name an address that answers with the file with -f." : "Name a file that exists with -f.",
    });
  }
}

async function download(address: URL, signal: AbortSignal): Promise<string> {
  if (!["http:", "https:"].includes(address.protocol)) throw new Error("expected a path, or an http or https address");
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const headers = authorization(address);
  const bare = new URL(address);
  bare.username = "";
  bare.password = "";
  const response = await fetch(bare, { signal: limit, headers });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`the server answers ${response.status}: expected 200`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > maxBytes) throw new Error("it is larger than 1 MiB");
    parts.push(part);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

/** fetch takes no name and password in an address. */
function authorization({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

function withoutPassword(file: string): string {
  return file.replace(/\/\/[^/@]*@/, "//");
}

/** What fetch says of itself is "fetch failed"; the reason stands in its cause. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && error.cause !== undefined) return messageOf(error.cause) || error.message;
  return messageOf(error);
}
