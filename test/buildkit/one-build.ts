import { inject } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import type { BuildResult } from "../../src/buildkit/one-build.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import { BuilderError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";

export interface Built {
  readonly result: BuildResult | undefined;
  readonly error: BuilderError | undefined;
  readonly events: readonly BuildEvent[];
  /** All that the steps printed. */
  readonly output: string;
}

/** Runs one build on the suite's daemon and keeps all that it told. Errors that are no BuilderError are thrown on. */
export async function buildOnce(
  request: BuildRequest,
  options: {
    address?: string;
    maxSilenceMs?: number;
    signal?: AbortSignal;
    onEvent?: (event: BuildEvent) => void;
  } = {},
): Promise<Built> {
  const { address = inject("buildkit"), maxSilenceMs } = options;
  const patience = maxSilenceMs === undefined ? {} : { maxSilenceMs };
  const client = createBuildkit({ address, log: createLog("silent"), ...patience });
  const events: BuildEvent[] = [];
  const onEvent = (event: BuildEvent) => {
    events.push(event);
    options.onEvent?.(event);
  };
  const signal = options.signal ?? new AbortController().signal;
  try {
    const result = await client.build(request, { signal, onEvent });
    return { result, error: undefined, events, output: outputOf(events) };
  } catch (error) {
    if (!(error instanceof BuilderError)) throw error;
    return { result: undefined, error, events, output: outputOf(events) };
  } finally {
    client.close();
  }
}

function outputOf(events: readonly BuildEvent[]): string {
  return events.map((event) => (event.kind === "log" ? event.text : "")).join("");
}
