import { BuilderError } from "../errors.ts";

/*
 * Variables in a stack file, as faas-cli substitutes them (drone/envsubst) in the raw text before it is YAML, comments
 * included. The forms, where E stands for text that may hold expressions itself:
 *
 *   ${N}                          the value, or nothing
 *   ${N:-E} ${N:=E} ${N=E} ${N:?E} ${N:+E}   the value, or E where it is unset or empty (all five mean the same)
 *   ${#N} ${N^} ${N^^} ${N,} ${N,,}          length, first letter or all upper- or lower-cased
 *   ${N:OFFSET} ${N:OFFSET:LENGTH}           a part; a negative number counts from the end, as in bash
 *   ${N#P} ${N##P} ${N%P} ${N%%P}            without the shortest or longest start or end that matches P (* ? [])
 *   ${N/A/B} ${N//A/B} ${N/#A/B} ${N/%A/B}   A replaced by B: once, everywhere, at the start, at the end
 *   $$ -> $    \\ -> \    \/ -> /            everything else stays, $N too
 */

/** Names and values that a stack file may see; nothing else of the process is visible to it. */
export type Variables = Readonly<Record<string, string | undefined>>;

const maxDepth = 50;

/**
 * Replaces the variables of a text.
 * @param file its path, for errors
 * @throws BuilderError `stack_invalid` with the line of an expression that has no meaning
 */
export function substitute(text: string, variables: Variables, file: string): string {
  const source: Source = { text, variables, file, at: 0, depth: 0 };
  return readText(source, "");
}

/** A text being read; `at` moves on. */
interface Source {
  readonly text: string;
  readonly variables: Variables;
  readonly file: string;
  at: number;
  depth: number;
}

const escapes: ReadonlySet<string> = new Set(["$$", "\\\\", "\\/"]);

/** Reads up to one of the characters in `ends`, which is left, or to the end of the text. */
function readText(source: Source, ends: string): string {
  const parts: string[] = [];
  while (source.at < source.text.length) {
    const char = source.text.charAt(source.at);
    if (ends.includes(char)) break;
    const pair = source.text.slice(source.at, source.at + 2);
    if (pair === "${") {
      parts.push(readExpression(source));
      continue;
    }
    const escaped = escapes.has(pair);
    parts.push(escaped ? pair.charAt(1) : char);
    source.at += escaped ? 2 : 1;
  }
  return parts.join("");
}

function readExpression(source: Source): string {
  const start = source.at;
  if (++source.depth > maxDepth) throw fault(source, start, `more than ${maxDepth} expressions inside each other`);
  source.at += 2;
  const counts = take(source, "#");
  const name = readName(source);
  if (name === "") throw fault(source, start, "unable to parse variable name");
  const value = Object.hasOwn(source.variables, name) ? (source.variables[name] ?? "") : "";
  const result = counts ? String(value.length) : readOperator(source, value);
  if (!take(source, "}")) throw fault(source, start, "missing closing brace");
  source.depth--;
  return result;
}

function readName(source: Source): string {
  const name = /^[A-Za-z0-9_]*/.exec(source.text.slice(source.at, source.at + 256))?.[0] ?? "";
  source.at += name.length;
  return name;
}

function readOperator(source: Source, value: string): string {
  for (const [operator, apply] of operators) {
    if (take(source, operator)) return apply(source, value);
  }
  return value;
}

/** Longer operators first: `##` is not two `#`. */
const operators: readonly (readonly [string, (source: Source, value: string) => string])[] = [
  [":-", orElse],
  [":=", orElse],
  [":?", orElse],
  [":+", orElse],
  ["=", orElse],
  [":", part],
  ["^^", (_, value) => value.toUpperCase()],
  ["^", (_, value) => value.charAt(0).toUpperCase() + value.slice(1)],
  [",,", (_, value) => value.toLowerCase()],
  [",", (_, value) => value.charAt(0).toLowerCase() + value.slice(1)],
  ["##", (source, value) => cutStart(value, readText(source, "}"), "longest")],
  ["#", (source, value) => cutStart(value, readText(source, "}"), "shortest")],
  ["%%", (source, value) => cutEnd(value, readText(source, "}"), "longest")],
  ["%", (source, value) => cutEnd(value, readText(source, "}"), "shortest")],
  ["//", (source, value) => replace(source, value, (from, to) => value.replaceAll(from, () => to))],
  [
    "/#",
    (source, value) =>
      replace(source, value, (from, to) => (value.startsWith(from) ? to + value.slice(from.length) : value)),
  ],
  [
    "/%",
    (source, value) =>
      replace(source, value, (from, to) =>
        value.endsWith(from) ? value.slice(0, value.length - from.length) + to : value,
      ),
  ],
  ["/", (source, value) => replace(source, value, (from, to) => value.replace(from, () => to))],
];

function orElse(source: Source, value: string): string {
  const other = readText(source, "}");
  return value === "" ? other : value;
}

function part(source: Source, value: string): string {
  const offset = readNumber(source);
  const start = offset < 0 ? Math.max(value.length + offset, 0) : offset;
  if (!take(source, ":")) return value.slice(start);
  const length = readNumber(source);
  return length < 0 ? value.slice(start, Math.max(value.length + length, start)) : value.slice(start, start + length);
}

function readNumber(source: Source): number {
  const start = source.at;
  const digits = readText(source, ":}").trim();
  if (!/^-?[0-9]{1,9}$/.test(digits)) throw fault(source, start, `expected a number, found "${digits}"`);
  return Number(digits);
}

function replace(source: Source, value: string, apply: (from: string, to: string) => string): string {
  const from = readText(source, "/}");
  const to = take(source, "/") ? readText(source, "}") : "";
  return from === "" ? value : apply(from, to);
}

type Reach = "shortest" | "longest";

function cutStart(value: string, pattern: string, reach: Reach): string {
  const cuts = Array.from({ length: value.length + 1 }, (_, length) => length);
  const cut = pick(cuts, reach, (length) => matches(pattern, value.slice(0, length)));
  return cut === undefined ? value : value.slice(cut);
}

function cutEnd(value: string, pattern: string, reach: Reach): string {
  const cuts = Array.from({ length: value.length + 1 }, (_, length) => value.length - length);
  const cut = pick(cuts, reach, (start) => matches(pattern, value.slice(start)));
  return cut === undefined ? value : value.slice(0, cut);
}

function pick(cuts: readonly number[], reach: Reach, test: (cut: number) => boolean): number | undefined {
  return reach === "shortest" ? cuts.find(test) : cuts.findLast(test);
}

function matches(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/\[[^\]]*\]|[\s\S]/g, (piece) => {
    if (piece === "*") return "[\\s\\S]*";
    if (piece === "?") return "[\\s\\S]";
    return piece.length > 1
      ? piece.replace("[!", "[^").replaceAll("\\", "\\\\")
      : piece.replace(/[\\^$.*+?()[\]{}|]/, "\\$&");
  });
  return new RegExp(`^(?:${source})$`).test(text);
}

function take(source: Source, text: string): boolean {
  if (!source.text.startsWith(text, source.at)) return false;
  source.at += text.length;
  return true;
}

function fault({ text, file }: Source, at: number, message: string): BuilderError {
  const line = text.slice(0, at).split("\n").length;
  const shown = text.slice(at, at + 40).split("\n")[0];
  return new BuilderError("stack_invalid", `${file} line ${line}: "${shown}": ${message}`, {
    location: { path: file, line },
  });
}
