import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError, messageOf } from "../errors.ts";

/** Reads a secret by the name of its file; undefined where there is no such file. Read anew each time: secrets rotate. */
export type Secrets = (name: "github-webhook-secret" | "private-key") => Promise<string | undefined>;

/** A file of the secrets' folder. */
interface SecretFile {
  readonly id: string;
  readonly text: string;
}

/**
 * Reads the secrets of one kind: the file NAME first, then all NAME-*, in the order of their names; what ends in `.pub` is a
 * public key that lies beside its own. Read anew each time.
 * @throws BuilderError `setting_invalid` where one cannot be read
 */
export async function readSecretFiles(
  folder: string,
  name: "payload-secret" | "build-secrets-key",
): Promise<readonly SecretFile[]> {
  try {
    const isOne = (id: string) => id === name || (id.startsWith(`${name}-`) && !id.endsWith(".pub"));
    const names = (await readdir(folder)).filter(isOne).sort();
    return await Promise.all(
      names.map(async (id) => ({ id, text: (await readFile(join(folder, id), "utf8")).trim() })),
    );
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new BuilderError("setting_invalid", `secrets ${join(folder, name)}*: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Creates the way to the secrets that are mounted as files; surrounding white space is no part of them. They are read in
 * place: each delivery asks, and a few bytes that lie in memory come sooner than another thread wakes up.
 */
export function createSecrets(folder: string): Secrets {
  return async (name) => {
    try {
      return readFileSync(join(folder, name), "utf8").trim() || undefined;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new BuilderError("setting_invalid", `secret ${join(folder, name)}: ${messageOf(cause)}`, { cause });
    }
  };
}
