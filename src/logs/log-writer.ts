import { setTimeout as wait } from "node:timers/promises";

export interface LogWriter extends AsyncDisposable {
  /** Takes lines at once; they are stored soon. */
  write(lines: readonly string[]): void;
}

interface WriterHands {
  append(text: string): Promise<void>;
  onLost(error: unknown): void;
}

/** How long lines are collected: whoever follows a log sees them about as soon. */
const collectMs = 250;
const partLength = 64 * 1024;
/** What may wait while the database is away; further lines are left out, and that is said. */
const maxWaiting = 1024 * 1024;
const retryMs = 1000;
const lastAttempts = 5;

/**
 * Creates the writer of one log. A log never holds up or fails its build: lines are collected, and stored again until
 * that has worked, or has failed five times after the log was closed.
 * @param options.append stores text behind what is there
 * @param options.onLost hears why something was not stored at the first attempt
 */
export function createLogWriter({ append, onLost }: WriterHands): LogWriter {
  const closing = new AbortController();
  let waiting = "";
  let left = 0;
  let storing: Promise<void> | undefined;

  const store = async () => {
    while (waiting !== "") {
      await wait(collectMs, undefined, { signal: closing.signal }).catch(() => undefined);
      const part = firstLines(waiting);
      if (!(await isStored(part, { append, onLost, closing: closing.signal }))) return;
      waiting = waiting.slice(part.length);
    }
  };
  const start = () => {
    storing ??= store().finally(() => {
      storing = undefined;
    });
    return storing;
  };
  const tellLeft = () => {
    if (left > 0) waiting += `(${left} lines left out: the database was away)\n`;
    left = 0;
  };

  return {
    write(lines) {
      for (const line of lines) {
        if (waiting.length > maxWaiting) left += 1;
        else {
          tellLeft();
          waiting += `${line}\n`;
        }
      }
      if (waiting !== "") void start();
    },
    async [Symbol.asyncDispose]() {
      tellLeft();
      closing.abort();
      await start();
    },
  };
}

async function isStored(
  part: string,
  { append, onLost, closing }: WriterHands & { closing: AbortSignal },
): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await append(part);
      return true;
    } catch (error) {
      if (attempt === 1) onLost(error);
      if (closing.aborted && attempt >= lastAttempts) return false;
      await wait(retryMs);
    }
  }
}

/** Whole lines, of not much more than a part's length. */
function firstLines(text: string): string {
  return text.length <= partLength ? text : text.slice(0, text.indexOf("\n", partLength) + 1);
}
