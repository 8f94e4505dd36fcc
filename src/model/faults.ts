import { BuilderError, type ErrorCode, type Fault, type Location } from "../errors.ts";
import { cleanLine, textWidth } from "./terminal-text.ts";

/** Collects what is wrong with one file, so that a person is told everything at once. */
export interface Findings {
  /** Faults of a lower rank are told first, those of the same rank by their place. */
  fault(message: string, location: Location, options?: { code?: ErrorCode; rank?: number }): void;
  /** Something that is most likely a mistake, but means no harm to anyone; beside a fault it may be what caused it. */
  warn(message: string, location: Location): void;
  readonly warnings: readonly Fault[];
  /** Everything that was found wrong, without the warnings; undefined where nothing was. */
  failure(): BuilderError | undefined;
  /** @throws BuilderError with everything that was found wrong; returns where nothing was */
  check(): void;
}

/**
 * Stands for a text that could not be read, so that reading goes on and the other faults are found. What is wrong only
 * because of it names it, and is not told beside the fault that it comes from. A sign for private use: where a file
 * holds it itself, and nothing else is wrong, its faults are told.
 */
export const unreadText = "\ue000";

/** What a person reads of one file; of the rest only the number is told until these are mended. */
const maxFindings = 20;
/** Beyond it nobody counts: "at least". */
const maxCounted = 10_000;
const maxMessageLength = 500;
const excerptWidth = 100;

/**
 * Creates the collection of one file's faults.
 * @param text the file's text, of which lines are shown
 */
export function createFindings(text: string): Findings {
  const faults = createFirst<Found>();
  const followers = createFirst<Found>();
  const warnings = createFirst<Fault>();
  const faultOf = (message: string, location: Location): Fault => ({
    message: message.slice(0, maxMessageLength),
    location,
    excerpt: excerptOf(text, location),
  });
  return {
    fault(message, location, { code = "stack_invalid", rank = 0 } = {}) {
      const found = message.includes(unreadText) ? followers : faults;
      found.add(keyOf(message, location), () => ({ code, rank, fault: faultOf(message, location) }));
    },
    warn(message, location) {
      warnings.add(keyOf(message, location), () => faultOf(message, location));
    },
    get warnings() {
      return [...warnings.items];
    },
    failure: () => failureOf(faults.count > 0 ? faults : followers),
    check() {
      const failure = failureOf(faults.count > 0 ? faults : followers, warnings);
      if (failure) throw failure;
    },
  };
}

function failureOf(found: First<Found>, warnings: First<Fault> = createFirst()): BuilderError | undefined {
  const [first, ...others] = [...found.items].sort(byRankAndPlace);
  if (!first) return undefined;
  const more = [...others.map(({ fault }) => fault), ...warnings.items].slice(0, maxFindings - 1);
  return errorOfFaults(first.code, [first.fault, ...more], { count: found.count + warnings.count });
}

/** Without those that only follow from a text that could not be read; all where there are no others. */
export function withoutFollowers<T extends { readonly message: string }>(items: readonly T[]): readonly T[] {
  const own = items.filter(({ message }) => !message.includes(unreadText));
  return own.length > 0 ? own : items;
}

interface First<T> {
  readonly items: readonly T[];
  /** How many different ones there are. */
  readonly count: number;
  add(key: string, make: () => T): void;
}

/** The first ones of many. */
function createFirst<T>(): First<T> {
  const items: T[] = [];
  const seen = new Set<string>();
  return {
    items,
    get count() {
      return seen.size;
    },
    add(key: string, make: () => T): void {
      if (seen.size >= maxCounted || seen.has(key)) return;
      seen.add(key);
      if (items.length < maxFindings) items.push(make());
    },
  };
}

/** A fault at one place of a text, as an error. */
export function faultAt(
  text: string,
  { code, message, location }: { code: ErrorCode; message: string; location: Location },
): BuilderError {
  return errorOfFaults(code, [{ message, location, excerpt: excerptOf(text, location) }]);
}

/**
 * One error of several that tell faults: the first one's code and message, everybody's faults, the same one once.
 * @param warnings what was found beside them, such as the misspelt key for want of which something is missing
 * @param isWhole whether all faults were looked for
 */
export function joinErrors(
  errors: readonly [BuilderError, ...BuilderError[]],
  { warnings = [], isWhole = true }: { warnings?: readonly Fault[]; isWhole?: boolean } = {},
): BuilderError {
  const [first] = errors;
  const different = [
    ...new Map(errors.map((error) => [JSON.stringify([error.message, error.faults]), error])).values(),
  ];
  const count = different.reduce((sum, { faultCount }) => sum + Math.max(faultCount, 1), warnings.length);
  if (count === first.faultCount) return first;
  const all = [...different.flatMap((error) => error.faults), ...warnings];
  const [fault, ...faults] = all.slice(0, maxFindings);
  return fault ? errorOfFaults(first.code, [fault, ...faults], { count, isWhole, cause: first }) : first;
}

/** The line of a place, harmless for a terminal, with a caret below its column; a long line is cut around it. */
export function excerptOf(text: string, { line, column = 1 }: Location): string {
  const whole = text.split("\n", line)[line - 1]?.replace(/\r$/, "") ?? "";
  const start = Math.max(0, Math.min(column - 1, whole.length) - excerptWidth / 2);
  const before = (start > 0 ? "…" : "") + cleanLine(whole.slice(start, column - 1));
  const after = cleanLine(whole.slice(column - 1, start + excerptWidth));
  const cut = start + excerptWidth < whole.length ? "…" : "";
  const gutter = String(line);
  const caret = " ".repeat(textWidth(before));
  return `${gutter} | ${before}${after}${cut}\n${" ".repeat(gutter.length)} | ${caret}^`;
}

/** A fault as a person reads it in a terminal: the place, the sentence, the line with a caret. */
export function faultText({ message, location, excerpt }: Fault): string {
  const place = [location.path, location.line, location.column].filter((part) => part !== undefined).join(":");
  return `${cleanLine(`${place}: ${message}`)}\n${excerpt.replaceAll(/^/gm, "  ")}`;
}

/** The lines of several faults; the first one's place is told by whoever shows them, the others' stand above their lines. */
export function joinExcerpts(faults: readonly Fault[]): string {
  return faults
    .flatMap(({ location, excerpt }, at) => [
      at === 0 ? "" : cleanLine(`at ${location.path}:${location.line}`),
      excerpt,
    ])
    .filter((text) => text !== "")
    .join("\n");
}

interface Found {
  readonly code: ErrorCode;
  readonly rank: number;
  readonly fault: Fault;
}

function keyOf(message: string, { path, line, column }: Location): string {
  return JSON.stringify([path, line, column, message.slice(0, maxMessageLength)]);
}

function byRankAndPlace(a: Found, b: Found): number {
  const [here, there] = [a.fault.location, b.fault.location];
  return a.rank - b.rank || here.line - there.line || (here.column ?? 0) - (there.column ?? 0);
}

function errorOfFaults(
  code: ErrorCode,
  faults: readonly [Fault, ...Fault[]],
  { count = faults.length, isWhole = true, cause }: { count?: number; isWhole?: boolean; cause?: BuilderError } = {},
): BuilderError {
  const [{ message, location }] = faults;
  const number = isWhole && count < maxCounted ? count - 1 : `at least ${count - 1}`;
  const more = count > 1 ? ` (and ${number} more)` : "";
  return new BuilderError(code, `${location.path} line ${location.line}: ${message}${more}`, {
    location,
    faults,
    faultCount: count,
    ...(cause && { cause, fix: cause.fix }),
  });
}
