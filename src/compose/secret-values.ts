import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config, Surroundings } from "../config.ts";
import { createRedactor, type Redactor } from "../model/redaction.ts";

/** Variables that hold secrets, by their names' ends. */
const secretName = /(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PASS|APIKEY|KEY|CREDENTIALS?)$/i;
const maxSecretBytes = 64 * 1024;

/**
 * Creates what strikes out every secret that this server knows: the files of the secrets' folder and the key for
 * BuildKit, passwords of the database and of registries, variables whose names say that they are secret. All of it is
 * read anew each time: secrets rotate.
 */
export function createSecretRedactor(
  config: Config,
  { environment }: Pick<Surroundings, "environment">,
): () => Promise<Redactor> {
  let known = { key: "", redactor: createRedactor([]) };
  return async () => {
    const values = [
      ...(await filesOf(config.secretFolder)),
      ...(await textOf(config.buildkitTlsKey)),
      ...(await registryPasswords(join(config.dockerConfig, "config.json"))),
      ...[environment, config.stackVariables].flatMap(secretVariables),
      ...passwordOf(config.databaseUrl),
    ];
    const key = JSON.stringify(values);
    // Finding the forms of a private key takes a while.
    if (key !== known.key) known = { key, redactor: createRedactor(values) };
    return known.redactor;
  };
}

async function filesOf(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  const texts = await Promise.all(names.sort().map((name) => textOf(join(folder, name))));
  return texts.flat().flatMap((text) => [text, ...text.split("\n")]);
}

/** What cannot be read is nothing that this server could tell. */
async function textOf(file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) return [];
  const text = await readFile(file, "utf8").catch(() => "");
  return text === "" || text.length > maxSecretBytes ? [] : [text];
}

async function registryPasswords(file: string): Promise<readonly string[]> {
  try {
    const { auths = {} } = JSON.parse(await readFile(file, "utf8")) as { auths?: Record<string, DockerAuth> };
    return Object.values(auths).flatMap(({ auth = "", password = "", identitytoken = "", registrytoken = "" }) => {
      const decoded = Buffer.from(auth, "base64").toString();
      return [auth, decoded.slice(decoded.indexOf(":") + 1), password, identitytoken, registrytoken];
    });
  } catch {
    return [];
  }
}

interface DockerAuth {
  readonly auth?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

function secretVariables(variables: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(variables).flatMap(([name, value]) => (secretName.test(name) && value ? [value] : []));
}

function passwordOf(url: string | undefined): readonly string[] {
  return url === undefined ? [] : [decodeURIComponent(new URL(url).password)];
}
