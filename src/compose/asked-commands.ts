import { delayCommand, endCommand, findRun, holdCommand, type TakenCommand, takeCommand } from "../database/asked.ts";
import type { Commands } from "../database/commands.ts";
import type { Database } from "../database/database.ts";
import { readRun } from "../database/pushes.ts";
import { restateCheck } from "../database/reports.ts";
import { BuilderError, messageOf } from "../errors.ts";
import type { GithubApp } from "../github/app.ts";
import { unbuiltReason } from "../github/pull-request-event.ts";
import type { PullRequestFacts } from "../github/repository-facts.ts";
import type { Log } from "../log.ts";
import type { Asked } from "../model/command.ts";
import type { Push } from "../model/push.ts";
import { runEvery } from "../pipeline/every.ts";
import { type CommandEnd, type CommandHands, runCommand } from "../pipeline/run-command.ts";
import type { Intake } from "./intake.ts";

interface AskedHands {
  readonly app: GithubApp;
  readonly database: Database;
  readonly commands: Commands;
  readonly intake: Intake;
  readonly log: Log;
}

/** What other processes were asked for, or left undone, is found within this time. */
const pollMs = 1_000;
const holdMs = 2_000;
const firstWaitMs = 2_000;
const maxWaitMs = 60_000;
/** For three hours GitHub may be away. */
const maxAttempts = 180;

/** Starts to do what people ask for by checks and comments. All processes do; each command is done by one. */
export function startAskedCommands(hands: AskedHands): AsyncDisposable {
  const { database, intake, log } = hands;
  const bell = createBell();
  intake.onCommand(bell.ring);
  const doAll = async ({ signal }: { signal: AbortSignal }) => {
    for (;;) {
      const taken = await takeCommand(database);
      if (!taken) break;
      await doOne(taken, hands, signal);
    }
    await bell.wait(pollMs, signal);
  };
  const onFault = (error: unknown) => log.warn({ reason: messageOf(error) }, "what people ask for is done later");
  return runEvery(0, doAll, onFault);
}

async function doOne({ asked, attempts }: TakenCommand, hands: AskedHands, signal: AbortSignal): Promise<void> {
  const { database, log } = hands;
  const about = { command: asked.command.kind, by: asked.by, repository: `${asked.owner}/${asked.repository}` };
  try {
    const end = await held(asked, hands, () => runCommand(asked, createCommandHands(hands), { signal }));
    await endAsked(asked, end, database);
    log.info({ ...about, state: end.state }, `command ended: ${end.reason}`);
  } catch (error) {
    const reason = messageOf(error);
    if (error instanceof BuilderError && (error.transient || signal.aborted) && attempts < maxAttempts) {
      await delayCommand(database, asked.delivery, { waitMs: waitOf(attempts), reason });
      log.warn({ ...about, reason }, "command waits");
    } else {
      await endAsked(asked, { state: "failed", reason }, database);
      log.error({ ...about, err: error }, "command failed");
    }
  }
}

type AskedEnd = CommandEnd | { readonly state: "failed"; readonly reason: string };

/** Of a check that is not run again GitHub is told the state that it has. */
async function endAsked({ delivery, command, repositoryId }: Asked, end: AskedEnd, database: Database) {
  if (end.state !== "done" && command.kind === "rebuild" && command.rerun !== undefined) {
    const { push: named, rerun: context } = command;
    const push = typeof named === "string" ? named : await findRun(database, { repositoryId, ...named });
    if (push !== undefined) await restateCheck(database, { push, repositoryId, context });
  }
  await endCommand(database, delivery, end);
}

/** Does a command while nobody else takes it. */
async function held<T>({ delivery }: Asked, { database, log }: AskedHands, work: () => Promise<T>): Promise<T> {
  const onFault = (error: unknown) => log.warn({ reason: messageOf(error) }, "a command that is done is not held");
  await using _holding = runEvery(holdMs, () => holdCommand(database, delivery), onFault);
  return await work();
}

function waitOf(attempts: number): number {
  return Math.min(firstWaitMs * 2 ** Math.min(attempts - 1, 10), maxWaitMs);
}

function createCommandHands({ app, database, commands, intake }: AskedHands): CommandHands {
  return {
    ...app.facts,
    cancel: commands.cancel,
    rebuild: commands.rebuild,
    rerunFailed: commands.rerunFailed,
    findRun: (wanted) => findRun(database, wanted),
    async readRun(id) {
      const run = await readRun(database, id);
      return run && { id, repositoryId: run.repositoryId, isApprovable: run.work.approvable === true };
    },
    async buildPullRequest(asked, wanted, options) {
      const found = await app.facts.pullRequest(asked, wanted.number, options);
      if (found?.sha !== wanted.sha) {
        return { refused: `${wanted.sha.slice(0, 7)} is not the newest commit of pull request ${wanted.number}` };
      }
      const push = pushOfPullRequest(asked, wanted.number, found);
      const reason = unbuiltReason(push.pullRequest, intake.rules.policy, found.defaultBranch);
      if (reason !== undefined) return { refused: reason };
      const { owner, repository } = asked;
      // The command has stored its own delivery: this run gets one beside it.
      const about = { guid: push.delivery, event: "pull_request", action: undefined, owner, repository };
      const body = Buffer.from(JSON.stringify({ number: wanted.number, after: wanted.sha }));
      await intake.store({ ...about, decision: { kind: "push", push } }, body, { source: "poll", answer: "" });
      return { started: push.delivery };
    },
  };
}

function pushOfPullRequest(
  { owner, repository, repositoryId, installationId, delivery }: Asked,
  number: number,
  found: PullRequestFacts,
): Push & Required<Pick<Push, "pullRequest">> {
  return {
    delivery: `${delivery}-pr`,
    kind: "pull_request",
    owner,
    repository,
    repositoryId,
    installationId,
    private: found.private,
    ref: `refs/pull/${number}/head`,
    branch: `pr-${number}`,
    environment: "",
    sha: found.sha,
    forced: false,
    pushedAt: found.updatedAt,
    committedAt: 0,
    cloneUrl: found.cloneUrl,
    pullRequest: { number, fork: found.fork, base: found.base },
  };
}

/** Lets one who waits go on before his time. */
function createBell() {
  let rung = Promise.withResolvers<void>();
  return {
    ring: () => rung.resolve(),
    async wait(ms: number, signal: AbortSignal): Promise<void> {
      const over = Promise.withResolvers<void>();
      const timer = setTimeout(over.resolve, ms);
      signal.addEventListener("abort", over.resolve as () => void, { once: true });
      await Promise.race([rung.promise, over.promise]);
      clearTimeout(timer);
      signal.removeEventListener("abort", over.resolve as () => void);
      rung = Promise.withResolvers();
    },
  };
}
