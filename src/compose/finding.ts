import type { Config } from "../config.ts";
import type { Database } from "../database/database.ts";
import {
  isLookDue,
  readBuiltBranches,
  readMark,
  storeHead,
  storeLook,
  storeMark,
  unknownOf,
} from "../database/sweeps.ts";
import { messageOf } from "../errors.ts";
import type { GithubApp } from "../github/app.ts";
import { readEvent } from "../github/webhook.ts";
import type { Log } from "../log.ts";
import type { BranchHead } from "../model/branch-head.ts";
import type { NotedDelivery } from "../model/noted-delivery.ts";
import type { Push } from "../model/push.ts";
import { runEvery } from "../pipeline/every.ts";
import { type BuiltBranch, type PollHands, pollHeads } from "../pipeline/poll-heads.ts";
import { pollRepositories } from "../pipeline/poll-repositories.ts";
import { type SweepHands, sweep } from "../pipeline/sweep.ts";
import { ofHead, storeFound } from "./found-push.ts";
import type { Intake } from "./intake.ts";
import { createRepositoryPollHands } from "./watched-repositories.ts";

interface FindingHands {
  readonly app: GithubApp;
  readonly database: Database;
  readonly intake: Intake;
  readonly log: Log;
}

/**
 * Starts to look for what GitHub did not bring: what its notes have and we have not, and heads of branches that nobody
 * told of. Of several processes one looks at a time, and once in an interval.
 */
export function startFinding(config: Config, hands: FindingHands): AsyncDisposable {
  const { database, log } = hands;
  const stack = new AsyncDisposableStack();
  const start = (name: string, intervalMs: number, look: (options: { signal: AbortSignal }) => Promise<number>) => {
    if (intervalMs === 0) return;
    const work = async (options: { signal: AbortSignal }) => {
      const lookAndTell = async () => {
        if (!(await isLookDue(database, name, { intervalMs }))) return;
        const found = await look(options);
        await storeLook(database, name);
        if (found > 0) log.info({ found }, `${name}: found what GitHub did not bring`);
      };
      await database.exclusively(name, lookAndTell);
    };
    stack.use(runEvery(intervalMs, work, (error) => log.warn({ reason: messageOf(error) }, `${name} failed`)));
  };
  start("sweep", config.sweepIntervalMs, (options) => sweep(createSweepHands(hands), options));
  start("poll", config.pollIntervalMs, async (options) => {
    const found = await pollHeads(createPollHands(hands), options);
    return found + (await pollRepositories(createRepositoryPollHands(hands), options));
  });
  return stack;
}

function createSweepHands({ app, database, intake }: FindingHands): SweepHands {
  const way = ({ answer }: NotedDelivery) => ({ source: "sweep", answer }) as const;
  return {
    readMark: () => readMark(database),
    storeMark: (knownUntil) => storeMark(database, knownUntil),
    pages: (options) => app.deliveries.pages(options),
    readPayload: (id, options) => app.deliveries.readPayload(id, options),
    unknownOf: (guids) => unknownOf(database, guids),
    async ingest(noted, body) {
      await intake.store(await readEvent({ ...noted, body }, intake.rules), body, way(noted));
    },
    async refuse(noted, reason) {
      const { guid, event } = noted;
      const about = { action: undefined, owner: undefined, repository: undefined };
      const decision = { kind: "ignored", reason } as const;
      await intake.store({ guid, event, ...about, decision }, Buffer.alloc(0), way(noted));
    },
  };
}

function createPollHands({ app, database, intake, log }: FindingHands): PollHands {
  return {
    branches: () => readBuiltBranches(database),
    readHead: ({ push, etag }, options) => app.facts.branchHead(push, { branch: push.branch, etag }, options),
    ingest: (built, head) => storeFound(foundPush(built, head), head, intake),
    storeHead: ({ push }, head) => storeHead(database, push, head),
    onFault({ push }, error) {
      const branch = `${push.owner}/${push.repository}@${push.branch}`;
      log.warn({ branch, reason: messageOf(error) }, "poll: the head of a branch is not known");
    },
  };
}

/** Two that find the same head after the same run mean one push. */
function foundPush({ push: { delivery, sha, pullRequest: _, ...push } }: BuiltBranch, head: BranchHead): Push {
  return { ...push, ...ofHead(head, [delivery]), kind: "push", before: sha };
}
