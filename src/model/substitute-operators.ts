import { matchesPattern, parsePattern } from "./wildcard.ts";

/** What an operator may use. */
interface Given {
  readonly parameters: readonly string[];
  /** Longest result. */
  readonly maxLength: number;
}

/**
 * What an operator of `substitute` makes of a variable's value.
 * @param operator as written; "" = none, `length` = `${#N}`
 * @returns undefined where it would be longer than allowed
 */
export function applyOperator(operator: string, value: string, given: Given): string | undefined {
  const [first = "", second] = given.parameters;
  switch (operator) {
    case "":
      return value;
    case "length":
      return String(Buffer.byteLength(value));
    case "^":
      return changeFirst(value, (letter) => letter.toUpperCase());
    case "^^":
      return value.toUpperCase();
    case ",":
      return changeFirst(value, (letter) => letter.toLowerCase());
    case ",,":
      return value.toLowerCase();
    case ":":
      return part(value, first, second);
    case "#":
    case "##":
    case "%":
    case "%%":
      return cut(operator, value, first);
    case "/":
    case "//":
    case "/#":
    case "/%":
      return replace(operator, value, given);
    default:
      return value === "" ? given.parameters.join("") : value;
  }
}

function changeFirst(value: string, change: (letter: string) => string): string {
  const [letter = ""] = value;
  return change(letter) + value.slice(letter.length);
}

/** Offsets are bytes. A character that is cut in two falls away; envsubst leaves broken text, which YAML refuses then. */
function part(value: string, offset: string, length: string | undefined): string {
  const bytes = Buffer.from(value);
  const [from, count] = [numberOf(offset), length === undefined ? bytes.length : numberOf(length)];
  if (from === undefined || count === undefined) return value;
  const start = from < 0 ? Math.max(bytes.length + from, 0) : from;
  const end = count < 0 ? bytes.length + count : start + count;
  return bytes
    .subarray(start, Math.max(start, end))
    .toString()
    .replace(/^\ufffd+|\ufffd+$/g, "");
}

function numberOf(text: string): number | undefined {
  return /^[-+]?[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** At least one character goes. An end is cut like a start, both written backwards, patterns too. */
function cut(operator: string, value: string, pattern: string): string {
  const isEnd = operator.startsWith("%");
  const turned = (text: string) => (isEnd ? [...text].reverse().join("") : text);
  const tokens = parsePattern(turned(pattern));
  if (!tokens) return value;
  const chars = [...turned(value)];
  const lengths = chars.map((_, index) => index + 1);
  const test = (length: number) => matchesPattern(tokens, chars.slice(0, length));
  const length = operator.length === 1 ? lengths.find(test) : lengths.findLast(test);
  return length === undefined ? value : turned(chars.slice(length).join(""));
}

function replace(operator: string, value: string, { parameters, maxLength }: Given): string | undefined {
  const [from = "", to] = parameters;
  if (operator === "/") return value.replace(from, () => to ?? "");
  if (operator === "//") return replaceAll(value, { from, to: to ?? "", maxLength });
  if (to === undefined) return value;
  if (operator === "/#") return value.startsWith(from) ? to + value.slice(from.length) : value;
  return value.endsWith(from) ? value.slice(0, value.length - from.length) + to : value;
}

/** Nothing is found before every character, and at the end. */
function replaceAll(
  value: string,
  { from, to, maxLength }: { from: string; to: string; maxLength: number },
): string | undefined {
  const between = from === "" ? ["", ...value, ""] : value.split(from);
  return value.length + (between.length - 1) * to.length > maxLength ? undefined : between.join(to);
}
