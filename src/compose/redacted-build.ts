import { isDeepStrictEqual } from "node:util";
import { BuilderError } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { createRedactor, type RedactedStream, type Redactor } from "../model/redaction.ts";
import type { ImageBuild } from "./push-hands.ts";

/**
 * The same build, of which nobody hears the server's secrets or those that the build was given: neither in what it
 * prints nor in the words that it fails with.
 * @param redactor with the server's secrets of this moment
 */
export function redactedBuild(build: ImageBuild, redactor: () => Promise<Redactor>): ImageBuild {
  return async (request, { signal, onEvent }) => {
    const given = Object.values(request.secrets ?? {}).map((bytes) => Buffer.from(bytes).toString());
    const redactors = [await redactor(), createRedactor(given)];
    const teller = redactors.reduceRight<Teller>((next, one) => createTeller(one, next), { tell: onEvent, end() {} });
    try {
      return await build(request, { signal, onEvent: teller.tell });
    } catch (error) {
      throw redactedError(error, redactors);
    } finally {
      teller.end();
    }
  };
}

interface Teller {
  tell(event: BuildEvent): void;
  /** Tells what was held back. */
  end(): void;
}

type VertexEvent = Extract<BuildEvent, { kind: "vertex" }>;
type WarningEvent = Extract<BuildEvent, { kind: "warning" }>;
type LogEvent = Extract<BuildEvent, { kind: "log" }>;

function createTeller(redactor: Redactor, next: Teller): Teller {
  const streams = new Map<string, { readonly stream: RedactedStream; last: LogEvent }>();
  const print = (event: LogEvent, text: string) => {
    if (text !== "") next.tell({ ...event, text: redactor.text(text) });
  };
  const endOf = (key: string) => {
    const open = streams.get(key);
    streams.delete(key);
    if (open) print(open.last, open.stream.end());
  };
  const log = (event: LogEvent) => {
    const key = `${event.stream} ${event.vertex}`;
    const open = streams.get(key) ?? { stream: redactor.stream(), last: event };
    streams.set(key, Object.assign(open, { last: event }));
    print(event, open.stream.push(event.text));
  };
  const vertex = (event: VertexEvent) => {
    const { name, error } = event;
    if (event.completed !== undefined) for (const stream of ["stdout", "stderr"]) endOf(`${stream} ${event.digest}`);
    next.tell({ ...event, name: redactor.text(name), error: redactor.text(error) });
  };
  return {
    tell(event) {
      if (event.kind === "log") log(event);
      else if (event.kind === "vertex") vertex(event);
      else if (event.kind === "status") next.tell({ ...event, id: redactor.text(event.id) });
      else next.tell(redactedWarning(event, redactor));
    },
    end() {
      for (const key of [...streams.keys()]) endOf(key);
      next.end();
    },
  };
}

function redactedWarning(event: WarningEvent, { text }: Redactor): WarningEvent {
  const { message, detail, url, excerpt } = event;
  const told = { message: text(message), detail: detail.map(text), url: text(url) };
  return { ...event, ...told, ...(excerpt !== undefined && { excerpt: text(excerpt) }) };
}

function redactedError(error: unknown, redactors: readonly Redactor[]): unknown {
  if (!(error instanceof BuilderError)) return error;
  const text = (given: string) => redactors.reduce((told, redactor) => redactor.text(told), given);
  const message = text(error.message);
  const fix = text(error.fix);
  const faults = error.faults.map((fault) => ({
    ...fault,
    message: text(fault.message),
    excerpt: text(fault.excerpt),
  }));
  const isSame = message === error.message && fix === error.fix && isDeepStrictEqual(faults, error.faults);
  return isSame ? error : error.with({ message, faults, fix });
}
