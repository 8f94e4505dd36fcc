import { createHash } from "node:crypto";
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
import { branchesText, environmentOf, skipMarkOf } from "../model/build-policy.ts";
import type { Decision } from "../model/delivery.ts";
import type { NotedDelivery } from "../model/noted-delivery.ts";
import type { Push } from "../model/push.ts";
import { runEvery } from "../pipeline/every.ts";
import { type BuiltBranch, type PollHands, pollHeads } from "../pipeline/poll-heads.ts";
import { type SweepHands, sweep } from "../pipeline/sweep.ts";
import type { Intake } from "./intake.ts";

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
  start("poll", config.pollIntervalMs, (options) => pollHeads(createPollHands(hands), options));
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
    async ingest(built, head) {
      const push = foundPush(built, head);
      const { owner, repository, delivery: guid } = push;
      const decision = await decideFound(push, head, intake);
      const body = Buffer.from(JSON.stringify({ ref: push.ref, before: built.push.sha, after: head.sha }));
      const about = { guid, event: "push", action: undefined, owner, repository };
      await intake.store({ ...about, decision }, body, { source: "poll", answer: "" });
    },
    storeHead: ({ push }, head) => storeHead(database, push, head),
    onFault({ push }, error) {
      const branch = `${push.owner}/${push.repository}@${push.branch}`;
      log.warn({ branch, reason: messageOf(error) }, "poll: the head of a branch is not known");
    },
  };
}

/** The policy counts as for any push; what its commits changed is not known, so that it is built. */
async function decideFound(push: Push, head: BranchHead, { rules }: Intake): Promise<Decision> {
  const { policy, customers } = rules;
  if (customers && !(await customers(push.owner))) {
    return { kind: "ignored", reason: `Customer: "${push.owner}" not found in customers ACL` };
  }
  // Which branch is the default one is not known here: one that was built before may be it.
  const environment = environmentOf(push.branch, policy, push.branch);
  const mark = skipMarkOf(head.message);
  const found = { ...push, environment: environment ?? "" };
  if (environment === undefined) {
    const skip = `skipping build for: ${push.ref} branch, ${branchesText(policy, "")}`;
    return { kind: "push", push: found, skip };
  }
  if (mark !== undefined) return { kind: "push", push: found, skip: `skipping build: the commit says ${mark}` };
  return { kind: "push", push: found };
}

/** Two that find the same head after the same run mean one push. */
function foundPush({ push: { delivery, sha, pullRequest: _, ...push } }: BuiltBranch, head: BranchHead): Push {
  const name = createHash("sha256")
    .update(JSON.stringify([delivery, head.sha]))
    .digest("hex");
  return {
    ...push,
    delivery: name.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
    kind: "push",
    before: sha,
    sha: head.sha,
    forced: false,
    pushedAt: head.seenAt,
    found: true,
    committedAt: head.committedAt,
  };
}
