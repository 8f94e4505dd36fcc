import type { Log } from "../log.ts";

/** Creates a log for a person before a terminal: `12:01:02 sentence name=value …`. Fields of one line stay on it. */
export function createPlainLog(write: (text: string) => unknown, given: object = {}): Log {
  const line = (mark: string) => (fields: object, message: string) => {
    const time = new Date().toTimeString().slice(0, 8);
    const shown = Object.entries({ ...given, ...fields }).filter(([, value]) => value !== undefined && value !== "");
    write(`${time} ${mark}${[message, ...shown.map(show)].join("  ")}\n`);
  };
  return {
    debug: () => {},
    info: line(""),
    warn: line("warning: "),
    error: line("error: "),
    child: (fields) => createPlainLog(write, { ...given, ...fields }),
  };
}

function show([name, value]: [string, unknown]): string {
  const text = value instanceof Error ? value.message : typeof value === "string" ? value : JSON.stringify(value);
  return `${name}=${(text ?? "").replaceAll(/\s+/g, " ")}`;
}
