import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Config, type Given, readConfig } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { parseSettingsFile } from "../model/settings-file.ts";

/**
 * Reads a server's settings: those of a file, where there is one, and of the environment, which wins. The App's id may
 * lie beside the secrets, where of-builder setup puts it.
 * @throws BuilderError `setting_invalid`
 */
export async function readServerConfig(file: string | undefined, env: Given): Promise<Config> {
  const settings = { ...(await readSettings(file)), ...given(env) };
  const config = readConfig(settings);
  if (config.githubAppId !== undefined) return config;
  const appId = await readFile(join(config.secretFolder, appIdFile), "utf8").catch(() => "");
  return readConfig({ ...settings, github_app_id: appId.trim() });
}

/** Beside the secrets, as it comes with them. */
const appIdFile = "github-app-id";

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
