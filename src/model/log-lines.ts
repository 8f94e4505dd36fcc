import { cleanLine } from "./terminal-text.ts";

/** Lines of one stream of a step, joined from pieces of text that end anywhere. */
export interface LineJoiner {
  /** Takes a piece; answers the lines that it completes, clean for a terminal. */
  push(text: string): readonly string[];
  /** The line begun but not ended yet, clean; "" where there is none. */
  unfinished(): string;
  /** Ends the line that was begun; answers it, unless there is none. */
  end(): readonly string[];
}

const maxLine = 4096;

/**
 * Creates a joiner. As on a terminal, a carriage return lets the rest of its line overwrite what stood there, so of a
 * progress bar drawn a hundred times only the last state is kept. A line is cut after 4096 UTF-16 units.
 */
export function createLineJoiner(): LineJoiner {
  let pending = "";

  const end = () => {
    const line = shown(pending);
    pending = "";
    return line;
  };

  return {
    push(text) {
      const pieces = text.split("\n");
      return pieces.flatMap((piece, at) => {
        pending = overwritten(pending, piece);
        return at < pieces.length - 1 ? [end()] : [];
      });
    },
    unfinished: () => shown(pending),
    end: () => (pending === "" ? [] : [end()]),
  };
}

/** What stands on the line after a further piece; one return at its end is kept, as the piece after it decides. */
function overwritten(pending: string, piece: string): string {
  const line = pending + piece;
  let end = line.length;
  while (line[end - 1] === "\r") end -= 1;
  const start = line.lastIndexOf("\r", end - 1) + 1;
  const text = line.slice(start, Math.min(end, start + maxLine + 1));
  return end < line.length ? `${text}\r` : text;
}

function shown(pending: string): string {
  const line = pending.endsWith("\r") ? pending.slice(0, -1) : pending;
  return line.length > maxLine ? `${cleanLine(line.slice(0, maxLine))}…` : cleanLine(line);
}
