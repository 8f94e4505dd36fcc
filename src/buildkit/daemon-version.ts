import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { BuilderError } from "../errors.ts";
import type { Endpoint } from "./address.ts";
import { describeAbort, describeMissingTls, describeTransport } from "./call-error.ts";
import type { InfoResponse } from "./generated/control.ts";
import { speaksTls } from "./tls-probe.ts";

/** Older daemons have known holes that a hostile Dockerfile can use. */
const floor = [0, 31, 2] as const;

/** A daemon that hangs is told apart from one that is slow by this. */
const timeoutMs = 5000;

/**
 * Asks a daemon for its version, which also proves that it lives.
 * @returns such as "v0.34.2"; "" where it is too old to tell
 * @throws BuilderError `buildkit_unreachable`, also after 5 s of silence; `build_cancelled`
 */
export async function askVersion(endpoint: Endpoint, signal: AbortSignal): Promise<string> {
  if (signal.aborted) throw describeAbort(signal);
  const control = endpoint.openControl();
  try {
    const { promise, resolve, reject } = Promise.withResolvers<InfoResponse>();
    const call = control.info({}, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
    const cancel = () => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    const info = await promise.finally(() => signal.removeEventListener("abort", cancel));
    return info.buildkitVersion?.version ?? "";
  } catch (error) {
    if (signal.aborted) throw describeAbort(signal);
    const fault = error as ServiceError;
    if (fault.code === status.UNIMPLEMENTED) return "";
    if (await lacksTls(endpoint, fault, signal)) throw describeMissingTls(endpoint.address, fault);
    throw describeTransport(endpoint.address, fault) ?? fault;
  } finally {
    control.close();
  }
}

/** A daemon that wants TLS closes the connection at our first word, or waits for another one. */
async function lacksTls(endpoint: Endpoint, { code }: ServiceError, signal: AbortSignal): Promise<boolean> {
  const isPlainTcp = endpoint.address.startsWith("tcp:") && endpoint.origin.startsWith("http:");
  const isSuspect = code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED;
  return isPlainTcp && isSuspect && (await speaksTls(endpoint, { signal }));
}

/**
 * Checks that a daemon is new enough to be given other people's Dockerfiles.
 * @param version as the daemon tells it, such as "v0.34.2"; "" where it is too old to tell
 * @throws BuilderError `buildkit_refused`
 */
export function checkVersion(version: string, address: string): void {
  const parts = /^v?(\d+)\.(\d+)\.(\d+)(-rc\d*)?/u.exec(version);
  if (parts !== null && isAtLeast(parts.slice(1, 4).map(Number), parts[4] !== undefined)) return;
  const found = version === "" ? "does not tell its version" : `has version "${version}"`;
  throw new BuilderError(
    "buildkit_refused",
    `BuildKit at "${address}" ${found}; expected v${floor.join(".")} or newer`,
    {
      fix: "Update buildkitd, or force the use of this one if you know that it is safe.",
    },
  );
}

function isAtLeast(numbers: readonly number[], isCandidate: boolean): boolean {
  for (const [index, least] of floor.entries()) {
    const number = numbers[index] ?? 0;
    if (number !== least) return number > least;
  }
  return !isCandidate;
}
