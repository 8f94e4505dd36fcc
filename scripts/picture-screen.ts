import { textWidth } from "../src/model/terminal-text.ts";

/** How a sign stands on a terminal. `color`: 0 to 15, the terminal's own palette; undefined = its plain colour. */
export interface Style {
  readonly color: number | undefined;
  readonly bold: boolean;
  readonly dim: boolean;
}

/** Neighbouring signs of one style; `column` counts from 0. */
export interface Run {
  readonly column: number;
  readonly columns: number;
  readonly text: string;
  readonly style: Style;
}

interface Cell {
  readonly sign: string;
  readonly columns: number;
  readonly style: Style;
}

interface Screen {
  readonly rows: (Cell | undefined)[][];
  row: number;
  column: number;
  style: Style;
  readonly width: number;
}

const plain: Style = { color: undefined, bold: false, dim: false };
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
const pieces =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's language is made of control characters
  /\x1b\[(?<codes>[0-9;?]*)(?<letter>[@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|(?<control>[\x00-\x1f\x7f])|(?<text>[^\x00-\x1f\x7f]+)/g;

/**
 * What stands on a terminal after everything was printed, moves of the cursor obeyed: a block that was redrawn a
 * hundred times is there once. Known are the sequences of ECMA-48 for colours (SGR), moves (CUU, CUD, CUF, CUB, CHA)
 * and clearing (EL, ED); any other is skipped. The screen has no height, so nothing scrolls away.
 * @returns the rows, each as runs of one style, empty rows at the end left out
 */
export function readScreen(output: string, width: number): readonly (readonly Run[])[] {
  const screen: Screen = { rows: [], row: 0, column: 0, style: plain, width };
  for (const { groups = {} } of output.matchAll(pieces)) {
    if (groups.text !== undefined) print(screen, groups.text);
    else if (groups.control !== undefined) control(screen, groups.control);
    else if (groups.letter !== undefined) obey(screen, groups.letter, groups.codes ?? "");
  }
  const rows = screen.rows.map(runsOf);
  return rows.slice(0, rows.findLastIndex((runs) => runs.length > 0) + 1);
}

function print(screen: Screen, text: string): void {
  for (const { segment: sign } of graphemes.segment(text)) {
    const columns = textWidth(sign);
    if (screen.column + columns > screen.width) {
      screen.row += 1;
      screen.column = 0;
    }
    const row = rowAt(screen);
    row[screen.column] = { sign, columns, style: screen.style };
    if (columns === 2) row[screen.column + 1] = undefined;
    screen.column += columns;
  }
}

function control(screen: Screen, sign: string): void {
  if (sign === "\n") {
    // Captured from a pipe there is no terminal driver to add the return.
    screen.row += 1;
    screen.column = 0;
  } else if (sign === "\r") screen.column = 0;
  else if (sign === "\b") screen.column = Math.max(0, screen.column - 1);
  else if (sign === "\t") screen.column = Math.min(screen.width - 1, screen.column - (screen.column % 8) + 8);
}

function obey(screen: Screen, letter: string, codes: string): void {
  if (letter === "m") screen.style = restyle(screen.style, codes.split(";").map(Number));
  const given = Number.parseInt(codes, 10) || 0;
  const count = Math.max(1, given);
  if (letter === "A") screen.row = Math.max(0, screen.row - count);
  if (letter === "B") screen.row += count;
  if (letter === "C") screen.column = Math.min(screen.width - 1, screen.column + count);
  if (letter === "D") screen.column = Math.max(0, screen.column - count);
  if (letter === "G") screen.column = Math.min(screen.width, count) - 1;
  if (letter === "K") clearRow(screen, given);
  if (letter === "J") clearBelow(screen, given);
}

function clearRow(screen: Screen, part: number): void {
  const row = rowAt(screen);
  if (part === 0) row.length = Math.min(row.length, screen.column);
  else row.fill(undefined, 0, part === 1 ? screen.column + 1 : row.length);
}

function clearBelow(screen: Screen, part: number): void {
  if (part === 0) {
    clearRow(screen, 0);
    screen.rows.length = Math.min(screen.rows.length, screen.row + 1);
  } else if (part > 1) screen.rows.length = 0;
}

function rowAt({ rows, row }: Screen): (Cell | undefined)[] {
  while (rows.length <= row) rows.push([]);
  return rows[row] ?? [];
}

/** SGR: 0 plain, 1 bold, 2 dim, 22 neither, 30–37 and 90–97 colours, 38 a colour of a larger palette, 39 plain colour. */
function restyle(style: Style, codes: readonly number[]): Style {
  const [code = 0, ...rest] = codes;
  if (code === 38 || code === 48) {
    const own = rest[0] === 5 && code === 38 && (rest[1] ?? 16) < 16 ? rest[1] : undefined;
    return continued({ ...style, ...(code === 38 && { color: own }) }, rest.slice(rest[0] === 5 ? 2 : 4));
  }
  return continued(restyleOne(style, code), rest);
}

function continued(style: Style, rest: readonly number[]): Style {
  return rest.length === 0 ? style : restyle(style, rest);
}

function restyleOne(style: Style, code: number): Style {
  if (code === 0) return plain;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code >= 30 && code <= 37) return { ...style, color: code - 30 };
  if (code >= 90 && code <= 97) return { ...style, color: code - 82 };
  return code === 39 ? { ...style, color: undefined } : style;
}

/** Cells of one style that follow each other; spaces at the ends of a row are not worth a run. */
function runsOf(row: readonly (Cell | undefined)[]): readonly Run[] {
  const runs: Run[] = [];
  for (const [column, cell] of [...row].entries()) {
    if (!cell) continue;
    const last = runs.at(-1);
    const follows = last && last.column + last.columns === column && sameStyle(last.style, cell.style);
    if (follows) runs[runs.length - 1] = { ...last, columns: last.columns + cell.columns, text: last.text + cell.sign };
    else runs.push({ column, columns: cell.columns, text: cell.sign, style: cell.style });
  }
  return runs.map(trim).filter(({ text }) => text !== "");
}

function trim(run: Run): Run {
  const text = run.text.trimEnd();
  const lead = text.length - text.trimStart().length;
  const columns = run.columns - (run.text.length - text.length) - lead;
  return { ...run, column: run.column + lead, columns, text: text.slice(lead) };
}

function sameStyle(a: Style, b: Style): boolean {
  return a.color === b.color && a.bold === b.bold && a.dim === b.dim;
}
