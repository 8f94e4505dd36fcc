import type { Config } from "../config.ts";
import { readIgnorePatterns } from "../contexts/ignore-file.ts";
import type { Database } from "../database/database.ts";
import { readOwnerUsage } from "../database/owner-usage.ts";
import { BuilderError } from "../errors.ts";
import type { Context } from "../model/context.ts";
import type { Push } from "../model/push.ts";
import { walk } from "./context-inputs.ts";

/** What an owner may have built. Each throws BuilderError `limit_exceeded`, which people see beside their commit. */
export interface OwnerLimits {
  /** Before a push is fetched. */
  checkPush(push: Push): Promise<void>;
  /** Before a function's context is sent. */
  checkContext(context: Context, options: { signal: AbortSignal }): Promise<void>;
}

/** Creates the limits that the settings give; 0 = none. */
export function createOwnerLimits(config: Config, { database }: { database: Database }): OwnerLimits {
  const { ownerBuildsPerHour, ownerMinutesPerDay, ownerContextBytes } = config;
  return {
    async checkPush({ owner, delivery }) {
      if (ownerBuildsPerHour === 0 && ownerMinutesPerDay === 0) return;
      const { builds, nextAt, minutes } = await readOwnerUsage(database, { owner, run: delivery });
      if (ownerBuildsPerHour > 0 && builds >= ownerBuildsPerHour) {
        const wait = nextAt ? `, the next one may be at ${nextAt.toISOString().slice(11, 16)} UTC` : "";
        throw exceeded(`${owner} had ${builds} pushes built within an hour, of ${ownerBuildsPerHour} allowed${wait}`);
      }
      if (ownerMinutesPerDay > 0 && minutes >= ownerMinutesPerDay) {
        const used = Math.floor(minutes);
        throw exceeded(`${owner} had ${used} minutes of builds within a day, of ${ownerMinutesPerDay} allowed`);
      }
    },
    async checkContext(context, { signal }) {
      if (ownerContextBytes === 0) return;
      let bytes = 0;
      const visit = ({ size }: { readonly size: number }) => {
        bytes += size;
      };
      await walk(context, await readIgnorePatterns(context), { visit, signal });
      if (bytes > ownerContextBytes) {
        throw exceeded(`the build context has ${bytes} bytes, of ${ownerContextBytes} allowed`);
      }
    },
  };
}

function exceeded(message: string): BuilderError {
  return new BuilderError("limit_exceeded", message, {
    fix: "Wait, or build less at once; who runs this installation can raise the limit.",
  });
}
