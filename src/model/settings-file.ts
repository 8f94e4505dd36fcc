import { parseEnv } from "node:util";
import { parseYaml } from "./yaml.ts";
import { textMap } from "./yaml-value.ts";

/**
 * Parses a settings file: lines of NAME=value as an environment file has them, or YAML: a flat map, or the map
 * `environment:` that OpenFaaS's own configuration files have.
 * @throws BuilderError `stack_invalid` with the line at fault
 */
export function parseSettingsFile(text: string, file: string): Readonly<Record<string, string | undefined>> {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.trimStart().startsWith("#"));
  if (lines.every((line) => /^\s*(export\s+)?\w+\s*=/.test(line))) return parseEnv(text);
  const root = parseYaml(text, file);
  return textMap(root.fields().get("environment") ?? root);
}
