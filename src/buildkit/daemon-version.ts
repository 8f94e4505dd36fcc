import type { ServiceError } from "@grpc/grpc-js";
import { BuilderError } from "../errors.ts";
import type { Endpoint } from "./address.ts";
import { describeAbort, describeMissingTls, describeTransport, describeUnreachable, endOf } from "./call-error.ts";
import { callOnce } from "./connection.ts";
import type { ControlClient } from "./control-client.ts";
import { ControlService, type InfoResponse } from "./generated/control.ts";
import { status } from "./grpc-status.ts";
import { speaksTls } from "./tls-probe.ts";

/** Older daemons have known holes that a hostile Dockerfile can use. */
const floor = [0, 31, 2] as const;

/** A daemon that hangs is told apart from one that is slow by this. */
const limitMs = 5000;
/** Most answer in a few milliseconds. */
const quickMs = 1000;
const dialLimitMs = 1000;

/**
 * Asks a daemon for its version, which also proves that it lives.
 * @returns such as "v0.34.2"; "" where it is too old to tell
 * @throws BuilderError `buildkit_unreachable`, also after 6 s of silence; `build_cancelled`
 */
export async function askVersion(endpoint: Endpoint, signal: AbortSignal): Promise<string> {
  const version = await askQuickly(endpoint, signal);
  if (version !== undefined) return version;
  using question = createVersionQuestion(endpoint);
  return await question.ask({ signal });
}

/**
 * Asks as builds do, without grpc-js: that takes longer to load than a daemon to answer.
 * @returns undefined where no version has come: grpc-js is asked then, and tells what is wrong
 */
async function askQuickly(endpoint: Endpoint, signal: AbortSignal): Promise<string | undefined> {
  let version: string | undefined;
  const onMessage = ({ buildkitVersion }: InfoResponse) => {
    version = buildkitVersion?.version;
  };
  const call = { method: ControlService.info, request: {}, onMessage };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(quickMs)]);
  await callOnce(endpoint, call, { signal: limit }).catch(() => undefined);
  return version;
}

/** The same question, to be asked again and again. */
export interface VersionQuestion extends Disposable {
  /** Asks as `askVersion` does, over one connection for all; after a fault over a new one. */
  ask(options: { signal: AbortSignal }): Promise<string>;
}

/** Creates the question. Nothing is connected yet. */
export function createVersionQuestion(endpoint: Endpoint): VersionQuestion {
  let control: ControlClient | undefined;
  const close = () => {
    control?.close();
    control = undefined;
  };
  return {
    async ask({ signal }) {
      if (signal.aborted) throw describeAbort(signal);
      control ??= await endpoint.openControl();
      try {
        const { buildkitVersion } = await control.ask(ControlService.info, {}, { limitMs, signal });
        return buildkitVersion?.version ?? "";
      } catch (error) {
        const fault = error as ServiceError;
        if (fault.code === status.UNIMPLEMENTED && !isWebAnswer(fault)) return "";
        close();
        throw await describeFault(endpoint, fault, signal);
      }
    },
    [Symbol.dispose]: close,
  };
}

async function describeFault(endpoint: Endpoint, fault: ServiceError, signal: AbortSignal): Promise<Error> {
  if (signal.aborted) return describeAbort(signal);
  if (isWebAnswer(fault)) return describeUnreachable(endpoint.address, new Error(fault.details, { cause: fault }));
  if (fault.code === status.DEADLINE_EXCEEDED && !(await isReached(endpoint, signal)))
    return describeUnreachable(endpoint.address, new Error("no connection came about", { cause: fault }));
  if (await lacksTls(endpoint, fault, signal)) return describeMissingTls(endpoint.address, fault);
  return describeTransport(endpoint.address, endOf(fault)) ?? fault;
}

/** What is silent either takes connections or is not reached at all: the call's fault does not tell which. */
async function isReached(endpoint: Endpoint, signal: AbortSignal): Promise<boolean> {
  // Over TLS a connection takes more than being reached.
  if (endpoint.origin.startsWith("https:")) return true;
  const dial = endpoint.dialEngine ?? endpoint.dial;
  try {
    const socket = await dial({ signal: AbortSignal.any([signal, AbortSignal.timeout(dialLimitMs)]) });
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

/** Web servers answer a call that they do not know with a page, which gRPC takes for a method that is not there. */
function isWebAnswer({ details }: ServiceError): boolean {
  return /HTTP status code/u.test(details);
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
      fix: `Update ${address.startsWith("docker:") ? "the Docker engine" : "buildkitd"}; buildkit_force uses it as it is, holes included.`,
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
