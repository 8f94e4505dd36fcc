import { secretForms } from "./secret-forms.ts";

/** Strikes secrets out of texts that leave the server. */
export interface Redactor {
  /** Strikes out what is known and what has the form of a credential, in a text that is whole. */
  text(text: string): string;
  /** Strikes what is known out of a text that comes in pieces, wherever these were cut. */
  stream(): RedactedStream;
}

export interface RedactedStream {
  /** Takes a piece; answers what can be told by now. What may be the beginning of a secret is held back. */
  push(text: string): string;
  /** Answers what was held back: nothing more comes. */
  end(): string;
}

/** What stands in a secret's place. */
const struck = "***";

/**
 * Credentials that nobody told us of: GitHub's tokens of every kind (since 2026 an installation's is `ghs_APP_JWT` of
 * some 520 characters), headers that sign in, passwords inside of addresses. Where a text was cut ("…"), a token may be
 * short.
 */
const credentials: readonly (readonly [RegExp, string])[] = [
  [/\bgh[a-z]_(?:[\w.-]{16,}|[\w.-]*(?=…?$))/gm, struck],
  [/\bgithub_pat_(?:\w{16,}|\w*(?=…?$))/gm, struck],
  [/\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:basic|bearer|token)\s+)?)[^\s"',]+/gi, `$1${struck}`],
  [/\b(x-registry-(?:auth|config)["']?\s*[:=]\s*["']?)[^\s"',]+/gi, `$1${struck}`],
  [/\b(basic|bearer)\s+[A-Za-z0-9+/_.~-]{16,}=*/gi, `$1 ${struck}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']*:[^\s/@"']+@/gi, `$1${struck}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g, struck],
];

/**
 * Creates what strikes out these secrets.
 * @param values in any order, those of fewer than six characters do not count
 */
export function createRedactor(values: Iterable<string>): Redactor {
  const forms = new Set([...values].flatMap(secretForms));
  const find = createFinder([...forms].sort((one, other) => other.length - one.length));
  const strike = (text: string) => withoutRanges(text, find(text).ranges);
  return {
    text: (text) => credentials.reduce((told, [pattern, instead]) => told.replaceAll(pattern, instead), strike(text)),
    stream() {
      let held = "";
      return {
        push(text) {
          const whole = held + text;
          const { ranges, opening } = find(whole);
          // What is held back begins no later than a secret that reaches into it.
          const cut = ranges.reduceRight((at, [from, to]) => (from < at && to > at ? from : at), opening);
          held = whole.slice(cut);
          return withoutRanges(
            whole.slice(0, cut),
            ranges.filter(([, to]) => to <= cut),
          );
        },
        end() {
          const rest = strike(held);
          held = "";
          return rest;
        },
      };
    },
  };
}

const none: readonly string[] = [];

type Range = readonly [from: number, to: number];

interface Found {
  /** In the order of their beginnings; they may overlap. */
  readonly ranges: readonly Range[];
  /** Where the text's end may be the beginning of a form; the text's length where it is none. */
  readonly opening: number;
}

/**
 * Creates what finds any number of forms in one walk: two signs tell which of them may begin at a place.
 * @param forms longest first
 */
function createFinder(forms: readonly string[]): (text: string) => Found {
  const longest = forms[0]?.length ?? 0;
  const begun = new Uint8Array(0x10000);
  const byBeginning = Map.groupBy(forms, (form) => keyAt(form, 0));
  for (const key of byBeginning.keys()) begun[key] = 1;
  const beginningAt = (text: string, at: number) => {
    const key = keyAt(text, at);
    return begun[key] === 0 ? none : (byBeginning.get(key) ?? none);
  };
  const openingOf = (text: string) => {
    for (let at = Math.max(0, text.length - longest + 1); at < text.length - 1; at += 1) {
      if (isOpening(text.slice(at), beginningAt(text, at))) return at;
    }
    return isOpening(text.slice(-1), forms) ? text.length - 1 : text.length;
  };
  return (told) => {
    const { text, placeOf } = flatten(told);
    const ranges: Range[] = [];
    for (let at = 0; at < text.length - 1; at += 1) {
      const form = beginningAt(text, at).find((candidate) => text.startsWith(candidate, at));
      if (form !== undefined) ranges.push([placeOf(at), placeOf(at + form.length - 1) + 1]);
    }
    return { ranges, opening: placeOf(openingOf(text)) };
  };
}

/** The low bytes of two signs: what they let through is looked at whole. */
function keyAt(text: string, at: number): number {
  return ((text.charCodeAt(at) & 0xff) << 8) | (text.charCodeAt(at + 1) & 0xff);
}

function isOpening(end: string, forms: readonly string[]): boolean {
  return end !== "" && forms.some((form) => form.length > end.length && form.startsWith(end));
}

/** A text without its line ends, and where each of its signs stood: tools such as base64 break what they print. */
function flatten(text: string): { text: string; placeOf(at: number): number } {
  if (!/[\r\n]/.test(text)) return { text, placeOf: (at) => at };
  const places = new Uint32Array(text.length).fill(text.length);
  let flat = "";
  let start = 0;
  for (const { index, 0: ends } of text.matchAll(/[\r\n]+|$/g)) {
    for (let at = start; at < index; at += 1) places[flat.length + at - start] = at;
    flat += text.slice(start, index);
    start = index + ends.length;
  }
  return { text: flat, placeOf: (at) => places[at] ?? text.length };
}

/** Line ends inside of a secret stay, so that a log keeps its lines. */
function withoutRanges(text: string, ranges: readonly Range[]): string {
  let told = "";
  let done = 0;
  for (const [from, to] of ranges) {
    if (from >= done) told += text.slice(done, from) + struck;
    told += text.slice(Math.max(from, done), Math.max(to, done)).replaceAll(/[^\r\n]/g, "");
    done = Math.max(done, to);
  }
  return told + text.slice(done);
}
