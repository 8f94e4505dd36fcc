import { BuilderError, type Fault } from "../errors.ts";
import { faultAt, joinErrors, unreadText } from "./faults.ts";
import { applyOperator } from "./substitute-operators.ts";
import type { MadeText } from "./yaml.ts";

/*
 * Variables in a stack file, as faas-cli substitutes them (drone/envsubst) in the raw text before it is YAML, comments
 * included. P is text up to the closing brace, or one expression:
 *
 *   ${N}                            the value, or nothing
 *   ${N:-T} ${N:=T} ${N=T} ${N:?T} ${N:+T}   the value, or T (text and expressions) where it is unset or empty
 *   ${#N} ${N^} ${N^^} ${N,} ${N,,} bytes of the value; its first letter, or all, in upper or lower case
 *   ${N:P} ${N:P:P}                 from an offset on; so many bytes; negative: from the end
 *   ${N#P} ${N##P} ${N%P} ${N%%P}   without the shortest or longest start or end that matches a pattern
 *   ${N/P/P} //  /#  /%             the first, every, the starting, the ending text replaced; ${N/P/} and // take it out
 *   $$ -> $    \\ -> \    \/ -> /   outside of expressions, and where they replace; everything else stays, $N too
 *
 * Two things go better than there: a negative length, at which it panics, counts from the end; and an expression without
 * meaning on a line that begins with # stays as it is, with a warning, where there the whole file fails.
 */

/** Names and values that a stack file may see; nothing else of the process is visible to it. */
export type Variables = Readonly<Record<string, string | undefined>>;

const maxDepth = 50;
const maxFaults = 20;
const maxLength = 4 * 1024 * 1024;

export interface Substituted extends MadeText {
  readonly warnings: readonly Fault[];
  /** Names the place of every expression without meaning: `stack_invalid`. In the text `unreadText` stands for each. */
  readonly failure?: BuilderError;
}

/**
 * Replaces the variables of a text. What a variable brings stands where its expression begins.
 * @param file its path, for errors
 * @returns the text, with the failure of what could not be replaced, so that the rest can be looked at, too
 * @throws BuilderError `stack_invalid` for so many expressions without meaning that nobody looks for more
 */
export function substitute(text: string, variables: Variables, file: string): Substituted {
  const source: Source = { text, variables, file, at: 0, depth: 0, length: 0 };
  const parts: string[] = [];
  const spans: Span[] = [];
  let made = 0;
  const errors: BuilderError[] = [];
  const warnings: Fault[] = [];
  while (source.at < text.length && errors.length < maxFaults) {
    const { written, part, isPlain, kept, broken } = readPart(source, { mayKeep: warnings.length < maxFaults });
    parts.push(part);
    spans.push({ made, written, isPlain });
    made += part.length;
    warnings.push(...kept);
    errors.push(...broken);
  }
  const [first, ...others] = errors;
  const isWhole = source.at >= text.length;
  const failure = first && joinErrors([first, ...others], { isWhole });
  if (failure && !isWhole) throw failure;
  return {
    text: parts.join(""),
    written: text,
    writtenAt: (offset) => writtenAt(spans, offset),
    warnings,
    ...(failure && { failure }),
  };
}

/** Goes on behind an expression without meaning. @returns what is wrong with the expressions within */
function skipBroken(source: Source, start: number): readonly BuilderError[] {
  const end = endOfBroken(source.text, start);
  const errors: BuilderError[] = [];
  while (source.at < end && errors.length < maxFaults) {
    const { error } = readNext(source);
    if (error) errors.push(error);
  }
  source.at = end;
  return errors;
}

/** Its closing brace on the same line, where what lies between looks like no more of YAML; else the end of the word. */
function endOfBroken(text: string, start: number): number {
  const [line = ""] = /^.*/.exec(text.slice(start)) ?? [];
  let depth = 0;
  for (const { 0: sign, index } of line.matchAll(/\$\{|\}/g)) {
    depth += sign === "}" ? -1 : 1;
    if (depth > 0) continue;
    if (/[,:]\s/.test(line.slice(0, index))) break;
    return start + index + 1;
  }
  return start + (/^\$\{[^\s,\]}"']*/.exec(line)?.[0].length ?? 0);
}

/** A part of the text that was made, by where it begins, and where in the written one it comes from. */
interface Span {
  readonly made: number;
  readonly written: number;
  /** It stands there as it is; else it is what one expression brought. */
  readonly isPlain: boolean;
}

function writtenAt(spans: readonly Span[], offset: number): number {
  let [low, high] = [0, spans.length];
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.made ?? 0) <= offset) low = middle;
    else high = middle;
  }
  const { made, written, isPlain } = spans[low] ?? { made: 0, written: 0, isPlain: true };
  return isPlain ? written + offset - made : written;
}

interface Part extends Pick<Span, "written" | "isPlain"> {
  readonly part: string;
  readonly kept: readonly Fault[];
  readonly broken: readonly BuilderError[];
}

/** An expression without meaning stays as it is on a line of comment; else `unreadText` of its length takes its place. */
function readPart(source: Source, { mayKeep }: { mayKeep: boolean }): Part {
  const written = source.at;
  const { text: part, error } = readNext(source);
  if (!error) return { written, part, isPlain: !source.text.startsWith("${", written), kept: [], broken: [] };
  if (mayKeep && isComment(source.text, written)) {
    return { written, part, isPlain: true, kept: error.faults, broken: [] };
  }
  const broken = [error, ...skipBroken(source, written)];
  return { written, part: unreadText.repeat(source.at - written), isPlain: true, kept: [], broken };
}

/** An expression without meaning is its own beginning, and reading goes on behind that. */
function readNext(source: Source): { text: string; error?: BuilderError } {
  const start = source.at;
  if (!source.text.startsWith("${", start)) return { text: readPlain(source) };
  try {
    return { text: readExpression(source) };
  } catch (error) {
    if (!(error instanceof BuilderError)) throw error;
    Object.assign(source, { at: start + 2, depth: 0 });
    return { text: "${", error };
  }
}

/** A text being read; `at` moves on, `length` is what was made of it. */
interface Source {
  readonly text: string;
  readonly variables: Variables;
  readonly file: string;
  at: number;
  depth: number;
  length: number;
}

function isComment(text: string, at: number): boolean {
  return /^\s*#/.test(text.slice(text.lastIndexOf("\n", at) + 1, at));
}

/** What stands between expressions, its escapes undone. */
function readPlain(source: Source): string {
  const length = source.text.slice(source.at).search(/\$\$|\$\{|\\[\\/]/);
  const end = length < 0 ? source.text.length : source.at + length;
  const plain = source.text.slice(source.at, end);
  source.at = end;
  const pair = source.text.slice(end, end + 2);
  if (pair === "" || pair === "${") return plain;
  source.at += 2;
  return plain + pair.charAt(1);
}

function readExpression(source: Source): string {
  const start = source.at;
  if (++source.depth > maxDepth) throw fault(source, start, `more than ${maxDepth} expressions inside each other`);
  source.at += 2;
  const counts = take(source, /#/y) !== "";
  const name = take(source, /[\p{L}\p{Nd}_]+/uy);
  if (name === "") throw fault(source, start, counts ? "bad substitution" : "unable to parse variable name");
  const operator = counts ? "length" : take(source, /:[-=?+]|\/[/#%]?|##?|%%?|[,^]{1,2}|[:=]/y);
  const parameters = readParameters(source, operator, start);
  if (take(source, /\}/y) === "") {
    throw fault(source, start, operator === "" ? "missing closing brace" : "bad substitution");
  }
  source.depth--;
  const result = applyOperator(operator, readVariable(source, name), { parameters, maxLength });
  source.length += result?.length ?? 0;
  if (result === undefined || source.length > maxLength) throw fault(source, start, "makes too much text");
  return result;
}

function readVariable({ variables }: Source, name: string): string {
  return Object.hasOwn(variables, name) ? (variables[name] ?? "") : "";
}

function readParameters(source: Source, operator: string, start: number): readonly string[] {
  const read = (piece: RegExp) => readParameter(source, piece, start);
  if (/^($|[,^]|length)/.test(operator)) return [];
  if (/^(:[-=?+]|=)$/.test(operator)) {
    const parameters: string[] = [];
    while (source.text[source.at] !== "}") parameters.push(read(/[^}]/y));
    return parameters;
  }
  if (operator === ":") {
    const offset = read(/[^:}]/y);
    return take(source, /:+/y) === "" ? [offset] : [offset, read(/[^}]/y)];
  }
  if (!operator.startsWith("/")) return [read(/[^}]/y)];
  const from = read(/\$\$|\\[\\/]|[^/]/y);
  if (take(source, /\/+/y) === "") throw fault(source, start, "bad substitution");
  return source.text[source.at] === "}" ? [from] : [from, read(/\$\$|\\[\\/]|[^}]/y)];
}

/**
 * One expression, or text up to the next one.
 * @param piece what the text consists of; of a pair the second sign counts
 * @param expression where the expression around it begins
 */
function readParameter(source: Source, piece: RegExp, expression: number): string {
  if (source.text.startsWith("${", source.at)) return readExpression(source);
  const parts: string[] = [];
  while (source.at < source.text.length && !source.text.startsWith("${", source.at)) {
    const found = take(source, piece);
    if (found === "") break;
    parts.push(found.slice(-1));
  }
  if (parts.length === 0) throw fault(source, expression, "unable to parse substitution within function");
  return parts.join("");
}

/** Takes what matches at this place; "" where nothing does. */
function take(source: Source, pattern: RegExp): string {
  pattern.lastIndex = source.at;
  const found = pattern.exec(source.text)?.[0] ?? "";
  source.at += found.length;
  return found;
}

function fault({ text, file }: Source, at: number, message: string): BuilderError {
  const before = text.slice(0, at).split("\n");
  const location = { path: file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  const shown = text.slice(at, at + 40).split("\n")[0];
  return faultAt(text, { code: "stack_invalid", message: `"${shown}": ${message}`, location });
}
