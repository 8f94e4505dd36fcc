import type { BuildEvent } from "./build-event.ts";
import { cleanLine } from "./terminal-text.ts";

/** What a build warns of. */
export type BuildWarning = Extract<BuildEvent, { kind: "warning" }>;

/**
 * A warning as people read it, harmless for a terminal: place and text in one line, below it the lines of the file, the
 * marked ones beginning with " > ", and where to read more.
 */
export function warningLines(warning: BuildWarning): readonly string[] {
  const { url, excerpt = "" } = warning;
  const lines = excerpt === "" ? [] : excerpt.split("\n").map(cleanLine);
  return [warningLine(warning), ...lines, ...(url === "" ? [] : [cleanLine(url)])];
}

/** Place and text of a warning in one line, harmless for a terminal. */
export function warningLine({ message, detail, location }: BuildWarning): string {
  const place = location ? `${cleanLine(location.path)}:${location.line}: ` : "";
  return `${place}${[message, ...detail].map(cleanLine).join(" ")}`;
}

/** What tells a warning apart: the same one may come for each platform, and again when a build is run again. */
export function warningKey({ message, detail, location }: BuildWarning): string {
  return JSON.stringify([message, detail, location?.path, location?.line, location?.ranges]);
}
