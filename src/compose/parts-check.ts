import { messageOf } from "../errors.ts";
import type { Foundation } from "./foundation.ts";

/** Creates what answers how the parts of a process do. One that is stopping is not ready, whatever its parts say. */
export function createPartsCheck(
  { database, buildkit, queue }: Pick<Foundation, "database" | "buildkit" | "queue">,
  { stopping }: { stopping: AbortSignal },
) {
  return async ({ signal }: { signal: AbortSignal }): Promise<Record<string, string>> => ({
    ...(stopping.aborted && { process: "of-builder is stopping" }),
    database: await faultOf(() => database.query("select 1")),
    buildkit: await faultOf(() => buildkit.check({ signal })),
    queue: queue.isFull ? "as many builds wait as may" : "",
  });
}

async function faultOf(check: () => Promise<unknown>): Promise<string> {
  try {
    await check();
    return "";
  } catch (error) {
    return messageOf(error);
  }
}
