import { setTimeout as sleep } from "node:timers/promises";
import type { Endpoint } from "./address.ts";
import type { BuildHistoryRecord } from "./generated/control.ts";
import { Status } from "./generated/rpc-status.ts";

const complete = 1;
/** The record of a build appears about a second after its end. */
const attempts = 20;
const pauseMs = 500;

/**
 * Asks the daemon how a build has ended, for where its own answer is lost.
 * @returns the failure with its details, undefined where the build was a success
 * @throws Error where no record appears within some seconds; the signal's reason
 */
export async function readHistory(
  endpoint: Endpoint,
  ref: string,
  { signal }: { signal: AbortSignal },
): Promise<Status | undefined> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const record = await findRecord(endpoint, ref, { signal });
    if (record !== undefined) return readFailure(endpoint, record);
    await sleep(pauseMs, undefined, { signal });
  }
  throw new Error(`BuildKit's answer to build "${ref}" is lost, and its history does not have it`);
}

async function findRecord(endpoint: Endpoint, ref: string, { signal }: { signal: AbortSignal }) {
  const control = endpoint.openControl();
  const call = control.listenBuildHistory({ ref, earlyExit: true, activeOnly: false });
  const cancel = () => call.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    for await (const event of call) {
      if (event.type === complete && event.record?.ref === ref) return event.record;
    }
    return undefined;
  } finally {
    signal.removeEventListener("abort", cancel);
    control.close();
  }
}

/** The record itself has only code and message; the details are a blob of the daemon's. */
async function readFailure(endpoint: Endpoint, record: BuildHistoryRecord): Promise<Status | undefined> {
  if (record.error === undefined || record.externalError === undefined) return record.error;
  const content = endpoint.openContent();
  try {
    const parts: Buffer[] = [];
    for await (const { data } of content.read({ digest: record.externalError.digest, offset: 0n, size: 0n })) {
      parts.push(data);
    }
    return Status.decode(Buffer.concat(parts));
  } finally {
    content.close();
  }
}
