import { BuilderError, type Fault } from "../errors.ts";
import { faultAt, joinErrors } from "./faults.ts";
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

/**
 * Replaces the variables of a text. What a variable brings stands where its expression begins.
 * @param file its path, for errors
 * @throws BuilderError `stack_invalid` with the place of every expression that has no meaning
 */
export function substitute(
  text: string,
  variables: Variables,
  file: string,
): MadeText & { readonly warnings: readonly Fault[] } {
  const source: Source = { text, variables, file, at: 0, depth: 0, length: 0 };
  const parts: string[] = [];
  const spans: Span[] = [];
  let made = 0;
  const errors: BuilderError[] = [];
  const warnings: Fault[] = [];
  while (source.at < text.length && errors.length < maxFaults) {
    const start = source.at;
    const read = readNext(source);
    parts.push(read.text);
    spans.push({ made, written: start, isPlain: read.error !== undefined || !text.startsWith("${", start) });
    made += read.text.length;
    if (!read.error) continue;
    if (isComment(text, start) && warnings.length < maxFaults) warnings.push(...read.error.faults);
    else errors.push(read.error);
  }
  const [first, ...others] = errors;
  if (first) throw joinErrors([first, ...others], { isWhole: source.at >= text.length });
  return { text: parts.join(""), written: text, writtenAt: (offset) => writtenAt(spans, offset), warnings };
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

/** An expression without meaning stays, and reading goes on behind its beginning. */
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
