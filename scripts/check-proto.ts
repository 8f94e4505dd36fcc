/**
 * Fails where src/buildkit/generated is not what `npm run proto` makes of proto/: generates into a folder of its own
 * and compares.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const committed = "src/buildkit/generated";

function generateInto(folder: string): void {
  const path = `${join("node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`;
  // The template names its target folder; --output is put in front of it.
  execFileSync("buf", ["generate", "--output", folder], { env: { ...process.env, PATH: path }, stdio: "inherit" });
}

function readFiles(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

const folder = mkdtempSync(join(tmpdir(), "of-builder-proto-"));
try {
  generateInto(folder);
  const fresh = readFiles(join(folder, committed));
  const old = readFiles(committed);
  const stale = [...new Set([...fresh.keys(), ...old.keys()])].filter((name) => fresh.get(name) !== old.get(name));
  for (const name of stale) console.error(`${join(committed, name)} is stale: run "npm run proto" and commit it`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}
