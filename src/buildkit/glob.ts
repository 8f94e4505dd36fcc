/*
 * One pattern of a .dockerignore (or of a daemon's include list) as BuildKit reads it:
 *
 *   *      any run of characters but "/"        ?     one character but "/"
 *   **     any run of whole folders, also none; at the very end everything; a "/" after it belongs to it
 *   [a-z]  one of these, [^a-z] one of the others; \x is x itself
 *
 * A pattern without these matches by equality. The whole path must match.
 *
 * Patterns come with a push. A regular expression of the language would backtrack, and a few "**" could keep the
 * process busy for hours; so a pattern is run as a small state machine whose cost is at most path times pattern.
 */
import { BuilderError } from "../errors.ts";

/** Tells whether a path matches the pattern it was made of. */
export type Glob = (path: string) => boolean;

type Token =
  | { readonly kind: "char"; readonly code: number }
  | { readonly kind: "one" }
  | { readonly kind: "class"; readonly has: (code: number) => boolean }
  | { readonly kind: "run" }
  /** Start of "**": either nothing, or go on to the `folders` that follows. */
  | { readonly kind: "choice" }
  | { readonly kind: "folders" }
  | { readonly kind: "rest" };

const slash = 47;
const newline = 10;

/**
 * Reads one pattern, without leading "!".
 * @param pattern clean ("/"-separated, no trailing "/")
 * @throws BuilderError `context_invalid` where a class is not closed or empty, or a backslash ends the pattern
 */
export function parseGlob(pattern: string): Glob {
  const tokens = readTokens(pattern);
  if (tokens.every((token) => token.kind === "char")) {
    const text = textOf(tokens);
    return (path) => path === text;
  }
  const first = tokens.findIndex((token) => token.kind !== "char");
  const last = tokens.findLastIndex((token) => token.kind !== "char");
  const prefix = textOf(tokens.slice(0, first));
  const suffix = textOf(tokens.slice(last + 1));
  return (path) => path.startsWith(prefix) && path.endsWith(suffix) && runs(tokens, path);
}

/** True where a part of a path holds `*`, `?` or `[` that is not escaped. */
export function hasWildcard(text: string): boolean {
  return /[*?[]/.test(text.replace(/\\./gsu, ""));
}

function readTokens(pattern: string): Token[] {
  const characters = [...pattern];
  const tokens: Token[] = [];
  let at = 0;
  while (at < characters.length) {
    const { added, next } = readToken(characters, at);
    tokens.push(...added);
    at = next;
  }
  return tokens;
}

function readToken(characters: readonly string[], at: number): { added: Token[]; next: number } {
  const character = characters[at] as string;
  switch (character) {
    case "*":
      return characters[at + 1] === "*" ? readFolders(characters, at) : { added: [{ kind: "run" }], next: at + 1 };
    case "?":
      return { added: [{ kind: "one" }], next: at + 1 };
    case "[":
      return readClass(characters, at);
    case "\\":
      return { added: [{ kind: "char", code: codeAt(characters, at + 1) }], next: at + 2 };
    default:
      return { added: [{ kind: "char", code: codeAt(characters, at) }], next: at + 1 };
  }
}

function readFolders(characters: readonly string[], at: number): { added: Token[]; next: number } {
  const next = characters[at + 2] === "/" ? at + 3 : at + 2;
  if (next >= characters.length) return { added: [{ kind: "rest" }], next };
  // "**name" at the very start is a plain suffix, "**/name" is not.
  if (at === 0 && next === 2 && !characters.slice(next).some(isSpecial)) return { added: [{ kind: "rest" }], next };
  return { added: [{ kind: "choice" }, { kind: "folders" }], next };
}

function isSpecial(character: string): boolean {
  return "*?[]\\".includes(character);
}

function readClass(characters: readonly string[], start: number): { added: Token[]; next: number } {
  let at = start + 1;
  const negated = characters[at] === "^";
  if (negated) at++;
  const ranges: [number, number][] = [];
  while (characters[at] !== "]" || ranges.length === 0) {
    const low = readClassCharacter(characters, at);
    const high = characters[low.next] === "-" ? readClassCharacter(characters, low.next + 1) : low;
    if (high.code < low.code) throw malformed(characters);
    ranges.push([low.code, high.code]);
    at = high.next;
  }
  const has = (code: number) => ranges.some(([low, high]) => low <= code && code <= high) !== negated;
  return { added: [{ kind: "class", has }], next: at + 1 };
}

function readClassCharacter(characters: readonly string[], at: number): { code: number; next: number } {
  const character = characters[at];
  if (character === "-" || character === "]") throw malformed(characters);
  const from = character === "\\" ? at + 1 : at;
  return { code: codeAt(characters, from), next: from + 1 };
}

function codeAt(characters: readonly string[], at: number): number {
  const code = characters[at]?.codePointAt(0);
  if (code === undefined) throw malformed(characters);
  return code;
}

function malformed(characters: readonly string[]): BuilderError {
  const pattern = characters.join("");
  const expected = 'expected a closed [class] and no "\\\\" at its end';
  return new BuilderError("context_invalid", `pattern "${pattern}" is malformed: ${expected}`, {
    fix: "Correct .dockerignore, or the step of the Dockerfile that names it.",
  });
}

function textOf(tokens: readonly Token[]): string {
  return tokens.map((token) => (token.kind === "char" ? String.fromCodePoint(token.code) : "")).join("");
}

/** Walks the path once with the set of all states that the pattern may be in. */
function runs(tokens: readonly Token[], path: string): boolean {
  let states = new Uint8Array(tokens.length + 1);
  let following = new Uint8Array(tokens.length + 1);
  enter(tokens, states, 0);
  for (let at = 0; at < path.length; ) {
    const code = path.codePointAt(at) as number;
    following.fill(0);
    for (let state = 0; state < tokens.length; state++) {
      if (states[state] === 1) advance({ tokens, state, code }, following);
    }
    [states, following] = [following, states];
    at += code > 0xffff ? 2 : 1;
  }
  return states[tokens.length] === 1;
}

/** Marks a state and those reached from it without reading a character. */
function enter(tokens: readonly Token[], states: Uint8Array, first: number): void {
  for (let state = first; states[state] === 0; state++) {
    states[state] = 1;
    const kind = tokens[state]?.kind;
    if (kind === "choice") states[state + 1] = 1;
    else if (kind !== "run" && kind !== "rest") return;
    if (kind === "choice") state++;
  }
}

/** Marks where a character leads to from one state. */
function advance(from: { tokens: readonly Token[]; state: number; code: number }, into: Uint8Array): void {
  const { tokens, state, code } = from;
  const token = tokens[state] as Token;
  if (!accepts(token, code)) return;
  if (token.kind === "folders") {
    into[state] = 1;
    if (code === slash) enter(tokens, into, state + 1);
  } else {
    enter(tokens, into, token.kind === "run" || token.kind === "rest" ? state : state + 1);
  }
}

function accepts(token: Token, code: number): boolean {
  switch (token.kind) {
    case "char":
      return token.code === code;
    case "class":
      return token.has(code);
    case "one":
    case "run":
      return code !== slash;
    case "folders":
      return code !== newline;
    case "rest":
      return true;
    case "choice":
      return false;
  }
}
