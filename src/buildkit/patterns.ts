import { posix } from "node:path";
import { BuilderError } from "../errors.ts";
import { type Glob, parseGlob } from "./glob.ts";

/** What each pattern of a list said of one folder: its entries start from this. */
export type Carried = Uint8Array;

export interface Patterns {
  /** True where a later pattern may take back what an earlier one matched. */
  readonly hasExceptions: boolean;
  /** Names in the root that all matches have or lie below, in byte order; undefined where others may match. */
  readonly rootNames: readonly string[] | undefined;
  /**
   * Tests one path. The last pattern that matches it, or a folder above it, decides.
   * @param parent what the same call answered for the folder it lies in; none at the root
   */
  match(path: string, parent: Carried | undefined): { readonly matched: boolean; readonly carried: Carried };
  /** False only where no plain (or no exception) pattern can match anything below this folder. */
  mayMatchBelow(folder: string, which: "plain" | "exception"): boolean;
}

interface Pattern {
  readonly exception: boolean;
  readonly matches: Glob;
  /** The pattern without a trailing "/*" or "/**". */
  readonly stem: string;
}

/** More would let one push keep the process busy: every file is held against every pattern. */
const maxPatterns = 20_000;

/**
 * Reads a list of patterns: trimmed, cleaned, a leading "!" makes an exception, empty ones are skipped.
 * @throws BuilderError `context_invalid` naming the pattern at fault
 */
export function parsePatterns(lines: readonly string[]): Patterns {
  if (lines.length > maxPatterns) {
    throw invalid(`${lines.length} patterns are given, expected at most ${maxPatterns}`);
  }
  const patterns = lines
    .map((line) => trim(line))
    .filter((line) => line !== "")
    .map(parsePattern);
  const plain = belowTest(patterns.filter((pattern) => !pattern.exception));
  const exception = belowTest(patterns.filter((pattern) => pattern.exception));
  return {
    hasExceptions: patterns.some((pattern) => pattern.exception),
    rootNames: rootNamesOf(patterns),
    match: (path, parent) => matchList(patterns, path, parent),
    mayMatchBelow: (folder, which) => (which === "plain" ? plain : exception)(folder),
  };
}

/** Cleans a path as Go does: no ".", "..", "//" or trailing "/"; empty becomes ".". */
export function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** Go's idea of white space: JavaScript's also takes U+FEFF, which is part of a name. */
function trim(line: string): string {
  return line.replace(/^(?:(?!\uFEFF)[\s\u0085])+|(?:(?!\uFEFF)[\s\u0085])+$/gu, "");
}

function parsePattern(line: string): Pattern {
  const clean = cleanPath(line);
  const exception = clean.startsWith("!");
  const text = exception ? clean.slice(1) : clean;
  if (text === "") throw invalid('pattern "!" is malformed: expected a path after the "!"');
  return { exception, matches: parseGlob(text), stem: text.replace(/\/\*\*$/u, "").replace(/\/\*$/u, "") };
}

function invalid(message: string): BuilderError {
  return new BuilderError("context_invalid", message, { fix: "Correct .dockerignore." });
}

function rootNamesOf(patterns: readonly Pattern[]): readonly string[] | undefined {
  if (patterns.some(({ exception, stem }) => exception || mayBeOthers(stem))) return undefined;
  const names = new Set(patterns.map(({ stem }) => stem.split("/", 1)[0] ?? ""));
  if ([...names].some((name) => ["", ".", "..", "**"].includes(name))) return undefined;
  return [...names].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
}

/** True for a pattern of more than one text. */
function mayBeOthers(stem: string): boolean {
  return /[*[\]?^\\]/u.test(stem);
}

function belowTest(patterns: readonly Pattern[]): (folder: string) => boolean {
  if (patterns.some(({ stem }) => mayBeOthers(stem))) return () => true;
  const stems = patterns.map(({ stem }) => `${stem}/`);
  return (folder) => stems.some((stem) => stem.startsWith(`${folder}/`));
}

function matchList(patterns: readonly Pattern[], path: string, parent: Carried | undefined) {
  const carried = new Uint8Array(patterns.length);
  let matched = false;
  for (const [index, pattern] of patterns.entries()) {
    const inherited = parent?.[index] === 1;
    // A pattern that could change nothing is not tried, and so not carried down either: BuildKit does the same.
    if (!inherited && (pattern.exception !== matched || !pattern.matches(path))) continue;
    carried[index] = 1;
    matched = !pattern.exception;
  }
  return { matched, carried };
}
