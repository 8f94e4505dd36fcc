import { readFile } from "node:fs/promises";
import { type Config, type Given, readConfig } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { parseSettingsFile } from "../model/settings-file.ts";

/**
 * Reads a server's settings: those of a file, where there is one, and of the environment, which wins.
 * @throws BuilderError `setting_invalid`
 */
export async function readServerConfig(file: string | undefined, env: Given): Promise<Config> {
  return readConfig({ ...(await readSettings(file)), ...given(env) });
}

async function readSettings(file: string | undefined): Promise<Given> {
  if (file === undefined) return {};
  try {
    return parseSettingsFile(await readFile(file, "utf8"), file);
  } catch (cause) {
    throw new BuilderError("setting_invalid", `settings file "${file}": ${messageOf(cause)}`, { cause });
  }
}

function given(env: Given): Given {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
}
