/*
 * Shell patterns as drone/envsubst knows them: `*` any text, `?` one character, `[a-z]` or `[^a-z]` one of a set, `\`
 * before a character takes it as it is. The time is bounded by the product of both lengths, whatever the pattern.
 */

/** Tests one character; "*" = any text. */
type Token = "*" | ((char: string) => boolean);
export type Pattern = readonly Token[];

/** @returns undefined for a pattern that has no meaning, such as an open set; it matches nothing */
export function parsePattern(text: string): Pattern | undefined {
  const chars = [...text];
  const tokens: Token[] = [];
  for (let at = 0; at < chars.length; ) {
    const parsed = parseToken(chars, at);
    if (!parsed) return undefined;
    tokens.push(parsed.token);
    at = parsed.next;
  }
  return tokens;
}

interface Parsed {
  readonly token: Token;
  readonly next: number;
}

function parseToken(chars: readonly string[], at: number): Parsed | undefined {
  const char = chars[at];
  if (char === "[") return parseSet(chars, at + 1);
  if (char === "*") return { token: "*", next: at + 1 };
  if (char === "?") return { token: () => true, next: at + 1 };
  const isEscape = char === "\\";
  const literal = isEscape ? chars[at + 1] : char;
  if (literal === undefined) return undefined;
  return { token: (candidate) => candidate === literal, next: at + (isEscape ? 2 : 1) };
}

/** Whether all characters are what the pattern says: forward, and back to the last star where it goes wrong. */
export function matchesPattern(pattern: Pattern, chars: readonly string[]): boolean {
  let token = 0;
  let star = -1;
  let starAt = 0;
  let at = 0;
  while (at < chars.length) {
    const test = pattern[token];
    if (test === "*") {
      star = token++;
      starAt = at;
    } else if (test?.(chars[at] ?? "")) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++starAt;
    } else {
      return false;
    }
  }
  return pattern.slice(token).every((test) => test === "*");
}

interface Range {
  readonly low: number;
  readonly high: number;
}

/** Reads a set from behind its bracket. */
function parseSet(chars: readonly string[], start: number): Parsed | undefined {
  const isNegated = chars[start] === "^";
  const ranges: Range[] = [];
  let at = isNegated ? start + 1 : start;
  while (chars[at] !== "]" || ranges.length === 0) {
    const low = parseMember(chars, at);
    if (!low) return undefined;
    const high = chars[low.next] === "-" ? parseMember(chars, low.next + 1) : low;
    if (!high) return undefined;
    ranges.push({ low: low.code, high: high.code });
    at = high.next;
  }
  const token = (char: string) => {
    const code = char.codePointAt(0) ?? 0;
    return ranges.some(({ low, high }) => low <= code && code <= high) !== isNegated;
  };
  return { token, next: at + 1 };
}

function parseMember(chars: readonly string[], at: number): { code: number; next: number } | undefined {
  if (chars[at] === "-" || chars[at] === "]") return undefined;
  const next = chars[at] === "\\" ? at + 1 : at;
  const code = chars[next]?.codePointAt(0);
  return code === undefined ? undefined : { code, next: next + 1 };
}
