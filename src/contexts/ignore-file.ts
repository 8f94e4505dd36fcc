import { posix } from "node:path";
import { type Context, readText } from "../model/context.ts";

const maxIgnoreBytes = 1024 * 1024;

/**
 * Reads the patterns of what a Dockerfile build leaves out of its context, as BuildKit does: `Dockerfile.dockerignore`
 * goes before `.dockerignore`; both lie in the root.
 * @returns patterns in the form that BuildKit sends them to its clients; none where there is no such file
 * @throws BuilderError `context_invalid` when the file is larger than 1 MiB
 */
export async function readIgnorePatterns(context: Context): Promise<readonly string[]> {
  for (const file of ["Dockerfile.dockerignore", ".dockerignore"]) {
    const text = await readText(context, file, maxIgnoreBytes);
    if (text !== undefined) return parseIgnoreFile(text);
  }
  return [];
}

/**
 * Parses a .dockerignore by Docker's rules: a pattern a line, `#` in the first column begins a comment, white space
 * around a pattern is no part of it, `!` takes back, a leading slash means nothing.
 */
export function parseIgnoreFile(text: string): readonly string[] {
  return text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map(cleanPattern);
}

function cleanPattern(line: string): string {
  const exception = line.startsWith("!") ? "!" : "";
  const pattern = line.slice(exception.length).trim();
  if (pattern === "") return exception;
  const clean = posix.normalize(pattern).replace(/(?<=.)\/$/, "");
  return exception + (clean.length > 1 ? clean.replace(/^\//, "") : clean);
}
