import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError, messageOf } from "../errors.ts";
import { askHelper } from "./credential-helper.ts";
import { isDockerHub } from "./reference.ts";

/** What a registry is shown. An empty user name with a password means an identity token (OAuth2 refresh token). */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** Looks a registry's credentials up by its host and port. */
export type LookUpCredentials = (host: string) => Promise<Credentials | undefined>;

const dockerHubKey = "https://index.docker.io/v1/";

/**
 * Reads credentials as Docker keeps them: `config.json` in a folder (`DOCKER_CONFIG`, else ~/.docker), which is read
 * again when it changes. For one host, in this order: its helper (`credHelpers`), the store of all (`credsStore`), the
 * file itself (`auths`).
 *
 * Keys are hosts, or URLs whose host counts; Docker Hub's is `https://index.docker.io/v1/` whatever it is called by.
 * @param options.helperLimitMs how long a helper may take; 30 s where absent
 * @returns a function that answers undefined where nothing is stored for a host, and throws BuilderError
 * `setting_invalid` when the file is not what it should be or a helper fails
 */
export function createCredentials({
  folder,
  helperLimitMs,
}: {
  folder: string;
  helperLimitMs?: number;
}): LookUpCredentials {
  const file = join(folder, "config.json");
  let known = { version: "", config: emptyConfig };
  return async (host) => {
    const version = await versionOf(file);
    if (version !== known.version) known = { version, config: version === "" ? emptyConfig : await readConfig(file) };
    return lookUp(known.config, host, { limitMs: helperLimitMs });
  };
}

interface DockerConfig {
  readonly auths: Readonly<Record<string, unknown>>;
  readonly helpers: Readonly<Record<string, unknown>>;
  readonly store: string | undefined;
}

const emptyConfig: DockerConfig = { auths: {}, helpers: {}, store: undefined };

async function lookUp(
  { auths, helpers, store }: DockerConfig,
  host: string,
  limit: { limitMs: number | undefined },
): Promise<Credentials | undefined> {
  const helper = entryOf(helpers, host) ?? store;
  const key = isDockerHub(host) ? dockerHubKey : host;
  const helped = typeof helper === "string" && helper !== "" ? await askHelper(helper, key, limit) : undefined;
  if (helped) return { username: helped.username === "<token>" ? "" : helped.username, password: helped.secret };
  return credentialsOf(entryOf(auths, host));
}

/** "" = there is no such file. */
async function versionOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    if (isMissing(error)) return "";
    throw new BuilderError("setting_invalid", `"${file}" cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

async function readConfig(file: string): Promise<DockerConfig> {
  try {
    const config = asRecord(JSON.parse(await readFile(file, "utf8")));
    const { credsStore } = config;
    const store = typeof credsStore === "string" ? credsStore : undefined;
    return { auths: asRecord(config.auths ?? {}), helpers: asRecord(config.credHelpers ?? {}), store };
  } catch (error) {
    // The parser's own message quotes the text, which holds passwords.
    const why = error instanceof SyntaxError ? "it is not JSON" : messageOf(error);
    throw new BuilderError("setting_invalid", `"${file}" cannot be used: ${why}; expected Docker's config.json`);
  }
}

function entryOf(entries: Readonly<Record<string, unknown>>, host: string): unknown {
  const wanted = hostKey(host);
  const key = Object.keys(entries).find((candidate) => hostKey(candidate) === wanted);
  return key === undefined ? undefined : entries[key];
}

function hostKey(key: string): string {
  const host = key
    .replace(/^https?:\/\//, "")
    .replace(/\/.*$/, "")
    .toLowerCase();
  return isDockerHub(host) ? dockerHubKey : host;
}

function credentialsOf(entry: unknown): Credentials | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const { auth, username, password, identitytoken } = entry as Record<string, unknown>;
  if (isText(identitytoken)) return { username: "", password: identitytoken };
  if (isText(auth)) return decodeAuth(auth);
  return isText(username) && isText(password) ? { username, password } : undefined;
}

/** base64 of USER:PASSWORD. Only the first colon parts them; Docker itself has been seen to end it with NULs. */
function decodeAuth(auth: string): Credentials | undefined {
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TypeError("an object is expected");
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
