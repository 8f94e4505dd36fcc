import type { BuildEvent } from "../model/build-event.ts";

type LogEvent = Extract<BuildEvent, { kind: "log" }>;

interface Withheld {
  bytes: number;
  tail: string;
  last: LogEvent;
}

const maxSteps = 1000;
const tailCharacters = 8192;
/** Never cuts a character. */
const encoder = new TextEncoder();

/**
 * Passes events on until the steps have printed `maxBytes` of UTF-8. What they print then is withheld; when a step ends,
 * its last lines are told, after a line that says how much is missing.
 * @returns what takes each event
 */
export function limitLog(onEvent: (event: BuildEvent) => void, maxBytes: number): (event: BuildEvent) => void {
  const withheld = new Map<string, Withheld>();
  let left = maxBytes;
  const withhold = (event: LogEvent) => {
    const step = withheld.get(event.vertex);
    if (step === undefined && withheld.size >= maxSteps) return;
    const tail = `${step?.tail ?? ""}${event.text.slice(-tailCharacters)}`.slice(-tailCharacters);
    const bytes = (step?.bytes ?? 0) + Buffer.byteLength(event.text);
    withheld.set(event.vertex, { bytes, tail, last: event });
  };
  /** Tells what there is room for, and keeps the rest. */
  const pass = (event: LogEvent) => {
    const { read } = encoder.encodeInto(event.text, new Uint8Array(left));
    if (read > 0) onEvent({ ...event, text: event.text.slice(0, read) });
    withhold({ ...event, text: event.text.slice(read) });
    left = 0;
  };
  return (event) => {
    if (event.kind === "log") {
      const bytes = Buffer.byteLength(event.text);
      if (left < bytes) return pass(event);
      left -= bytes;
    }
    const rest = event.kind === "vertex" && event.completed !== undefined ? withheld.get(event.digest) : undefined;
    if (rest !== undefined) {
      withheld.delete(rest.last.vertex);
      onEvent({ ...rest.last, text: endOf(rest) });
    }
    onEvent(event);
  };
}

/** The withheld end of a step's output, from the start of a line. */
function endOf({ bytes, tail }: Withheld): string {
  const text = tail.length < tailCharacters ? tail : tail.slice(tail.indexOf("\n") + 1);
  const missing = bytes - Buffer.byteLength(text);
  return missing > 0 ? `\n[${missing} bytes are left out here: the build prints too much]\n${text}` : text;
}
