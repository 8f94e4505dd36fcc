import { type ServiceError, status } from "@grpc/grpc-js";
import type { Endpoint } from "./address.ts";
import type { SolveRequest, SolveResponse } from "./generated/control.ts";
import { Status } from "./generated/rpc-status.ts";
import { readHistory } from "./history.ts";
import { pause } from "./pause.ts";
import type { Progress } from "./progress.ts";
import { type StatusWatch, watchStatus } from "./status.ts";

/** The ends of one build as BuildKit tells them. */
export type SolveEnd = { readonly ok: true; readonly response: Readonly<Record<string, string>> } | SolveFailure;

export interface SolveFailure {
  readonly ok: false;
  readonly failure: Status;
  /** The answer to the call; absent where the failure was read from the daemon's history. */
  readonly cause: ServiceError | undefined;
}

const detailsKey = "grpc-status-details-bin";
/** After this much silence the rest of the progress is given up. */
const maxSilenceMs = 5000;
/** A build that was refused before it began is not known to the Status, which waits for it to appear. */
const unknownMs = 1000;
/** How much later than the end of its progress a build's answer may come before it counts as lost. */
const maxDelayMs = 2000;

/**
 * Runs one Solve with its Status. Aborting cancels the build; the answer then comes when its containers are gone,
 * or after 5 s without progress.
 *
 * The details of a failed Solve come as a trailer that holds the whole Dockerfile. Over 64 KiB, node's HTTP/2 does not
 * take it: some versions break the stream off, others drop it without a word and the connection answers nothing any
 * more (open fault grpc/grpc-node#2399). So the Status has a connection of its own, and when it has ended and no
 * answer follows, or one that was broken off, the daemon's history is asked how the build ended.
 */
export async function runSolve(
  endpoint: Endpoint,
  request: SolveRequest,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<SolveEnd> {
  const given = new AbortController();
  const watch = watchStatus(endpoint, request.ref, progress);
  try {
    const solving = solve(endpoint, request, AbortSignal.any([signal, given.signal]));
    const end = await Promise.race([solving, lostAnswer(watch, given.signal)]);
    if (end !== "lost") await watch.drain(watch.hasTold() ? maxSilenceMs : unknownMs);
    if (end !== "lost" && !isBrokenOff(end)) return end;
    return (await askHistory(endpoint, request.ref, { signal })) ?? (await solving);
  } finally {
    given.abort(new Error("the build has ended"));
    watch.close();
  }
}

/** @returns undefined where the build was a success */
async function askHistory(
  endpoint: Endpoint,
  ref: string,
  { signal }: { signal: AbortSignal },
): Promise<SolveFailure | undefined> {
  try {
    const failure = await readHistory(endpoint, ref, { signal });
    return failure && { ok: false, failure, cause: undefined };
  } catch (error) {
    if (isServiceError(error)) return { ok: false, failure: readFailure(error), cause: error };
    throw error;
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}

function isBrokenOff(end: SolveEnd): boolean {
  return !end.ok && end.cause?.code === status.INTERNAL && end.cause.metadata.get(detailsKey).length === 0;
}

/** Answers some time after the progress has ended well; where it has not, the answer is all there is to wait for. */
async function lostAnswer(watch: StatusWatch, signal: AbortSignal): Promise<"lost"> {
  if (!(await watch.ended)) return new Promise(() => undefined);
  await pause(maxDelayMs, signal);
  return "lost";
}

/** What the daemon said of a failure; its trailer of details, where there is one, is more exact than the bare message. */
function readFailure(error: ServiceError): Status {
  const [details] = error.metadata?.get(detailsKey) ?? [];
  return Buffer.isBuffer(details)
    ? Status.decode(details)
    : Status.fromPartial({ code: error.code, message: error.details });
}

function solve(endpoint: Endpoint, request: SolveRequest, signal: AbortSignal): Promise<SolveEnd> {
  const control = endpoint.openControl();
  return new Promise((resolve) => {
    const call = control.solve(request, (error: ServiceError | null, response: SolveResponse) => {
      signal.removeEventListener("abort", cancel);
      control.close();
      resolve(
        error === null
          ? { ok: true, response: response.exporterResponse }
          : { ok: false, failure: readFailure(error), cause: error },
      );
    });
    const cancel = () => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    if (signal.aborted) cancel();
  });
}
