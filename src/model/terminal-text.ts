/**
 * Text that strangers wrote, made harmless for a terminal. What a build prints may hold escape sequences (which move
 * the cursor, rename the window or answer as if typed), control characters and signs that turn the reading direction:
 * all are struck out. Widths follow Unicode's East Asian Width: wide signs and emoji take two columns.
 */

/** Escape sequences: strings with a terminator (OSC, DCS, SOS, PM, APC), CSI, and the two- or three-byte rest. */
const escapes =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  /(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?/g;
/** Controls of C0 and C1, line separators, and the marks and overrides of reading direction. */
const controls =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g;
/** Signs of one column each that join with nothing: ASCII, Latin letters, and those that progress is drawn with. */
const oneColumnOnly = /^[ -~\u00c0-\u024f\u00b7\u2013\u2014\u2026\u2192\u2500-\u259f\u2714\u2716\u2800-\u28ff]*$/;
const wide =
  /^[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;
const zeroWidth = /^[\p{Mark}\p{Default_Ignorable_Code_Point}]+$/u;
/** Made when the first other sign comes: that takes 20 ms. */
let segmenter: Intl.Segmenter | undefined;

/** One line without anything that a terminal would obey; a tab becomes the spaces to the next column of eight. */
export function cleanLine(text: string): string {
  const visible = text.replace(escapes, "").toWellFormed();
  return expandTabs(visible).replace(controls, "");
}

/** The columns that a clean line takes. */
export function textWidth(text: string): number {
  if (oneColumnOnly.test(text)) return text.length;
  let width = 0;
  for (const grapheme of graphemesOf(text)) width += graphemeWidth(grapheme);
  return width;
}

/** A clean line in at most `columns` columns; a cut shows as "…" and never splits what is read as one sign. */
export function fitText(text: string, columns: number): string {
  if (columns <= 0) return "";
  if (textWidth(text) <= columns) return text;
  if (oneColumnOnly.test(text)) return `${text.slice(0, columns - 1)}…`;
  let kept = "";
  let width = 0;
  for (const grapheme of graphemesOf(text)) {
    width += graphemeWidth(grapheme);
    if (width > columns - 1) break;
    kept += grapheme;
  }
  return `${kept}…`;
}

/** A clean line in exactly `columns` columns. */
export function padText(text: string, columns: number): string {
  const fitted = fitText(text, columns);
  return fitted + " ".repeat(Math.max(0, columns - textWidth(fitted)));
}

function* graphemesOf(text: string): Iterable<string> {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  for (const { segment } of segmenter.segment(text)) yield segment;
}

function graphemeWidth(grapheme: string): number {
  if (zeroWidth.test(grapheme)) return 0;
  return wide.test(grapheme) || grapheme.includes("\ufe0f") ? 2 : 1;
}

function expandTabs(text: string): string {
  const [first = "", ...others] = text.split("\t");
  return others.reduce((line, part) => `${line}${" ".repeat(8 - (line.length % 8))}${part}`, first);
}
