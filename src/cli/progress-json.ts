import type { Progress } from "./progress.ts";

/**
 * Creates a progress for programs: each thing that happens is one line of JSON, with a `kind` and, where it concerns
 * one, a `function`. Beside the build's own events (`vertex`, `status`, `log`, `warning`) there are `plan`, `started`,
 * `outcome`, `note` and, as the last one, `end`.
 */
export function createJsonProgress(write: (text: string) => void): Progress {
  let closed = false;
  const tell = (kind: string, fields: object) => {
    if (!closed) write(`${JSON.stringify({ kind, ...fields })}\n`);
  };
  return {
    begin: (functions) => tell("plan", { functions: functions.map(({ name, image }) => ({ name, image })) }),
    started: (name) => tell("started", { function: name }),
    event: (name, { kind, ...fields }) => tell(kind, { function: name, ...fields }),
    finished: (outcome) => tell("outcome", outcome),
    note: (text) => tell("note", { text }),
    close() {
      tell("end", {});
      closed = true;
    },
  };
}
