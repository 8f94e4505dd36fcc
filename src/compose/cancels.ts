import type { Database } from "../database/database.ts";
import type { Notices } from "../database/notices.ts";
import { readCancelled } from "../database/pushes.ts";
import type { Cancels } from "../jobs/told-stories.ts";

/** Creates what tells the engine which runs are to end. */
export function createCancels({ database, notices }: { database: Database; notices: Notices }): Cancels {
  return {
    read: (ids) => readCancelled(database, ids),
    hear: (listener) =>
      notices.hear((notice) => {
        if (!notice || notice.what === "cancelled") listener(notice?.push);
      }),
  };
}
