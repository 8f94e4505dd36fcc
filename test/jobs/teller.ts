import type { Database } from "../../src/database/database.ts";
import { listenToNotices } from "../../src/database/notices.ts";
import { readCancelled } from "../../src/database/pushes.ts";
import type { EngineLimits } from "../../src/jobs/engine.ts";
import type { Cancels } from "../../src/jobs/told-stories.ts";
import { quiet } from "../database/scratch.ts";

/** Limits that no test meets by accident. */
export const roomy: EngineLimits = { pushes: 4, pushesOfOwner: 4, functionsOfOwner: 0, functions: 4 };

/** What tells an engine of cancelled runs. */
export function cancelsOf(database: Database, databaseUrl: string): Cancels & AsyncDisposable {
  const notices = listenToNotices({ databaseUrl, log: quiet });
  return {
    read: (ids) => readCancelled(database, ids),
    hear: (listener) => notices.hear((notice) => listener(notice?.push)),
    [Symbol.asyncDispose]: () => notices[Symbol.asyncDispose](),
  };
}
