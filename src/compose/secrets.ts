import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError, messageOf } from "../errors.ts";

/** Reads a secret by the name of its file; undefined where there is no such file. Read anew each time: secrets rotate. */
export type Secrets = (name: "github-webhook-secret" | "private-key" | "payload-secret") => Promise<string | undefined>;

/** Creates the way to the secrets that are mounted as files; surrounding white space is no part of them. */
export function createSecrets(folder: string): Secrets {
  return async (name) => {
    try {
      return (await readFile(join(folder, name), "utf8")).trim() || undefined;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new BuilderError("setting_invalid", `secret ${join(folder, name)}: ${messageOf(cause)}`, { cause });
    }
  };
}
