import { textWidth } from "../model/terminal-text.ts";

/** A block of lines at the end of a terminal's text, redrawn in place. */
export interface LiveBlock {
  /** Replaces the block by `lines`, after `above`, lines that stay for good. */
  draw(lines: readonly string[], above?: readonly string[]): void;
  /** Gives the cursor back. */
  close(): void;
}

/** DEC private modes: 25 shows the cursor, 2026 lets a terminal show the whole change at once (others ignore it). */
const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";
const beginUpdate = "\x1b[?2026h";
const endUpdate = "\x1b[?2026l";
const clearLine = "\x1b[K";
const clearBelow = "\x1b[J";
// biome-ignore lint/suspicious/noControlCharactersInRegex: our own styles, which take no columns
const styles = /\x1b\[[0-9;]*m/g;

/**
 * Creates a block. One draw is one write: cursor up to its first line, each line followed by "clear to the end of the
 * line" (never before, which would flicker), the rest of the screen cleared. A window made narrower has wrapped the old
 * lines, so the way up is counted in the columns of now.
 */
export function createLiveBlock({ write, columns }: { write(text: string): void; columns(): number }): LiveBlock {
  let drawn: readonly string[] = [];
  let opened = false;
  let last = "";

  return {
    draw(lines, above = []) {
      const text = [...above, ...lines].map((line) => `${line}${clearLine}\n`).join("");
      if (above.length === 0 && text === last) return;
      const up = drawn.reduce((rows, line) => rows + rowsOf(line, columns()), 0);
      write(
        `${opened ? "" : hideCursor}${beginUpdate}${up > 0 ? `\x1b[${up}A\r` : ""}${text}${clearBelow}${endUpdate}`,
      );
      opened = true;
      drawn = lines;
      last = above.length === 0 ? text : "";
    },
    close() {
      if (opened) write(showCursor);
      opened = false;
      drawn = [];
      last = "";
    },
  };
}

function rowsOf(line: string, columns: number): number {
  return Math.max(1, Math.ceil(textWidth(line.replace(styles, "")) / Math.max(1, columns)));
}
