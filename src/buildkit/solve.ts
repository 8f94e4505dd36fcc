import type { CallEnd } from "./calls.ts";
import { ControlService, type SolveRequest, type SolveResponse } from "./generated/control.ts";
import { Status } from "./generated/rpc-status.ts";
import { status } from "./grpc-status.ts";
import type { Progress } from "./progress.ts";
import type { Session } from "./session.ts";
import { watchStatus } from "./status.ts";

/** The ends of one build as BuildKit tells them. */
export type SolveEnd = { readonly ok: true; readonly response: Readonly<Record<string, string>> } | SolveFailure;

export interface SolveFailure {
  readonly ok: false;
  readonly failure: Status;
  /** How the call itself ended. */
  readonly call: CallEnd;
}

/** After this much silence the rest of the progress is given up. */
const maxSilenceMs = 5000;
/** A build that was refused before it began is not known to the Status, which waits for it to appear. */
const unknownMs = 1000;

/**
 * Runs one Solve with its Status, both on the session's connection. Aborting cancels the build; the answer then comes
 * when its containers are gone, or after 5 s without progress.
 * @throws what the progress's listener throws
 */
export async function runSolve(
  session: Pick<Session, "call">,
  request: SolveRequest,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<SolveEnd> {
  const watch = watchStatus(session, request.ref, progress);
  let response: SolveResponse | undefined;
  const onMessage = (message: SolveResponse) => {
    response = message;
  };
  const call = session.call({ method: ControlService.solve, request, onMessage });
  signal.addEventListener("abort", call.cancel, { once: true });
  if (signal.aborted) call.cancel();
  try {
    const end = await Promise.race([call.ended, watch.fault]);
    await watch.drain(watch.hasTold() ? maxSilenceMs : unknownMs);
    if (end.code === status.OK && response) return { ok: true, response: response.exporterResponse };
    return { ok: false, failure: readFailure(end), call: end };
  } finally {
    signal.removeEventListener("abort", call.cancel);
    call.cancel();
    watch.close();
  }
}

/** What the daemon said of a failure; its details, where there are some, are more exact than the bare message. */
function readFailure({ code, message, details }: CallEnd): Status {
  return details === undefined ? Status.fromPartial({ code, message }) : Status.decode(details);
}
