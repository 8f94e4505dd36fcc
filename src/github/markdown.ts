/** What strangers wrote is shown as code only: nothing of it is a link, a mention or HTML then. */

/** A text as a piece of code within a line, also of a table. */
export function code(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
  if (line === "") return "";
  const ticks = "`".repeat(longestRun(line, /`+/g) + 1);
  const space = line.startsWith("`") || line.endsWith("`") ? " " : "";
  return `${ticks}${space}${line}${space}${ticks}`.replaceAll("|", "\\|");
}

/** A text of several lines as a block of code. */
export function codeBlock(text: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(text, /`+/g) + 1));
  return `${fence}text\n${text.replace(/\n+$/, "")}\n${fence}`;
}

/** A table. Cells are Markdown already; `align` as Markdown writes it. */
export function table(heads: readonly { head: string; align: string }[], rows: readonly (readonly string[])[]): string {
  const lines = [heads.map(({ head }) => head), heads.map(({ align }) => align), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Cuts a line to so many characters, never through one. */
export function cutLine(text: string, max: number): string {
  const characters = Array.from(text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim());
  return characters.length <= max ? characters.join("") : `${characters.slice(0, max - 1).join("")}…`;
}

/**
 * Cuts a text out of its middle to so many bytes of UTF-8, which are never fewer than its characters however these are
 * counted. An eighth of it is the beginning, the rest is the end: that is where a failure is told.
 */
export function cutMiddle(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text.toWellFormed());
  if (bytes.length <= maxBytes) return bytes.toString();
  const gap = (missing: number) => `\n… ${missing} bytes left out …\n`;
  const room = Math.max(0, maxBytes - Buffer.byteLength(gap(bytes.length)));
  const head = wholeStart(bytes, Math.floor(room / 8));
  const tail = wholeEnd(bytes, room - head);
  return `${bytes.subarray(0, head)}${gap(tail - head)}${bytes.subarray(tail)}`;
}

/** The end of the last whole line, or at least the last whole character, within so many bytes. */
function wholeStart(bytes: Buffer, max: number): number {
  const line = bytes.lastIndexOf(0x0a, max);
  return line > 0 ? line : characterAt(bytes, max);
}

function wholeEnd(bytes: Buffer, max: number): number {
  const start = bytes.length - max;
  const line = bytes.indexOf(0x0a, start);
  if (line >= 0 && line < bytes.length - max / 2) return line + 1;
  let at = start;
  while (at < bytes.length && isInside(bytes, at)) at += 1;
  return at;
}

function characterAt(bytes: Buffer, max: number): number {
  let at = max;
  while (at > 0 && isInside(bytes, at)) at -= 1;
  return at;
}

/** Bytes 10xxxxxx continue a character. */
function isInside(bytes: Buffer, at: number): boolean {
  return ((bytes[at] ?? 0) & 0xc0) === 0x80;
}

function longestRun(text: string, pattern: RegExp): number {
  return Math.max(0, ...[...text.matchAll(pattern)].map(([run]) => run.length));
}
