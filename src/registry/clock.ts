import { BuilderError, messageOf } from "../errors.ts";
import { sendHttp } from "./http-request.ts";

const limitMs = 10_000;

/**
 * How far a registry's clock is ahead of ours, by the header Date that HTTP servers send: in whole seconds.
 * @param host such as "registry:5000"
 * @returns milliseconds, negative where it is behind; undefined where it does not tell
 * @throws BuilderError `registry_unreachable`; the caller's reason when it aborts
 */
export async function readClock(
  host: string,
  { insecure, signal }: { insecure: boolean; signal: AbortSignal },
): Promise<number | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  try {
    const url = new URL(`${insecure ? "http" : "https"}://${host}/v2/`);
    const answer = await sendHttp(url, { method: "GET", redirect: "error", signal: limit });
    answer.discard();
    const date = Date.parse(answer.header("date"));
    return Number.isNaN(date) ? undefined : secondsApart(date, Date.now());
  } catch (error) {
    signal.throwIfAborted();
    const message = `registry ${host} does not answer: ${messageOf(error)}`;
    throw new BuilderError("registry_unreachable", message, { cause: error });
  }
}

/** The parts of a second that the header leaves out are no difference. */
function secondsApart(date: number, now: number): number {
  return date > now ? date - now : Math.min(0, date + 999 - now);
}
