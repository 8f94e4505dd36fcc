import type { ServiceError } from "@grpc/grpc-js";
import { parseAddress } from "./address.ts";
import { describeAbort, describeTransport, describeUnreachable, endOf } from "./call-error.ts";
import { askVersion } from "./daemon-version.ts";
import { ControlService, SolveRequest, type WorkerRecord } from "./generated/control.ts";
import { createHealth } from "./health.ts";
import { createProgress } from "./progress.ts";
import { createId, openSession } from "./session.ts";
import { runSolve } from "./solve.ts";
import { describeFailure } from "./solve-error.ts";
import type { TlsFiles } from "./tls-files.ts";

/** What a daemon tells of itself. */
export interface DaemonFacts {
  /** "" where it is too old to tell. */
  readonly version: string;
  readonly workers: readonly WorkerFacts[];
  /** Those that builds may ask for. */
  readonly entitlements: readonly string[];
}

export interface WorkerFacts {
  /** Such as "linux/arm64"; the first one is its own. */
  readonly platforms: readonly string[];
  /** Where layers are kept, such as "overlayfs"; "" where it does not tell. */
  readonly snapshotter: string;
  /** The rules after which it forgets, in the order in which they count. */
  readonly gcRules: readonly GcRule[];
}

export interface GcRule {
  /** Also what may be needed by others. */
  readonly all: boolean;
  readonly keepSeconds: number;
  /** 0 = no bound. */
  readonly maxBytes: number;
}

const limitMs = 10_000;
const snapshotterLabel = "org.mobyproject.buildkit.worker.snapshotter";
/** There is none of this name: a daemon says so as soon as it has granted all else. Of no frontend at all some say nothing. */
const frontend = "of-builder-asks";
const knownEntitlements = ["network.host", "security.insecure", "device"];

/**
 * Asks a daemon for all that it tells of itself. Which entitlements it grants it does not tell: it is asked for a build
 * with each that comes to nothing.
 * @throws BuilderError `buildkit_unreachable`, `buildkit_refused`, `build_cancelled`, `setting_invalid`, or what
 *   that build fails with for any other reason
 */
export async function inspectDaemon(
  address: string,
  { tls, signal }: { tls?: TlsFiles | undefined; signal: AbortSignal },
): Promise<DaemonFacts> {
  const endpoint = parseAddress(address, { tls });
  const version = await askVersion(endpoint, signal);
  const workers = (await listWorkers(endpoint, signal)).map(workerFacts);
  const granted = await Promise.all(knownEntitlements.map((name) => isGranted(endpoint, name, signal)));
  return { version, workers, entitlements: knownEntitlements.filter((_, at) => granted[at]) };
}

type Endpoint = ReturnType<typeof parseAddress>;

async function listWorkers(endpoint: Endpoint, signal: AbortSignal): Promise<readonly WorkerRecord[]> {
  const control = await endpoint.openControl();
  try {
    return (await control.ask(ControlService.listWorkers, { filter: [] }, { limitMs, signal })).record;
  } catch (error) {
    if (signal.aborted) throw describeAbort(signal);
    throw describeTransport(endpoint.address, endOf(error as ServiceError)) ?? error;
  } finally {
    control.close();
  }
}

function workerFacts({ platforms, labels, gcPolicy }: WorkerRecord): WorkerFacts {
  return {
    platforms: platforms.map(({ os, architecture, variant }) =>
      [os, architecture, variant].filter((part) => part !== "").join("/"),
    ),
    snapshotter: labels[snapshotterLabel] ?? "",
    gcRules: gcPolicy.map(({ all, keepDuration, maxUsedSpace, reservedSpace }) => ({
      all,
      keepSeconds: Number(keepDuration) / 1e9,
      maxBytes: Number(maxUsedSpace || reservedSpace),
    })),
  };
}

async function isGranted(endpoint: Endpoint, name: string, signal: AbortSignal): Promise<boolean> {
  const session = openSession(endpoint, new Map([createHealth()]), { sharedKey: "" });
  try {
    const request = { ref: createId(), session: session.id, frontend, entitlements: [name], cache: {} };
    const limit = AbortSignal.any([signal, session.lost, AbortSignal.timeout(limitMs)]);
    const progress = createProgress(() => undefined);
    const end = await runSolve(session, SolveRequest.fromPartial(request), { progress, signal: limit });
    if (end.ok || end.failure.message.includes(`invalid frontend: ${frontend}`)) return true;
    if (/not allowed|unknown entitlement|invalid entitlement/u.test(end.failure.message)) return false;
    if (signal.aborted) throw describeAbort(signal);
    if (limit.aborted) throw describeUnreachable(endpoint.address, limit.reason);
    throw describeTransport(endpoint.address, end.call) ?? describeFailure(end.failure, []);
  } finally {
    await session.close();
  }
}
