import type { Asked, Command } from "../model/command.ts";
import type { Place } from "../model/place.ts";

/** What a command needs to know of a run. */
export interface KnownRun {
  readonly id: string;
  readonly repositoryId: string;
  /** Whether it waits for a person's word. */
  readonly isApprovable: boolean;
}

export interface CommandHands {
  /** The App's installation that reaches the repository; undefined where none does. */
  installationOf(place: Place, options: { signal: AbortSignal }): Promise<string | undefined>;
  mayWrite(place: Place, login: string, options: { signal: AbortSignal }): Promise<boolean>;
  readRun(id: string): Promise<KnownRun | undefined>;
  /** The newest run of a commit of a repository, of a ref where one is named. */
  findRun(wanted: { repositoryId: string; sha: string; ref?: string }): Promise<string | undefined>;
  cancel(id: string, asked: { by: string }): Promise<"cancelled" | "ended">;
  rebuild(
    id: string,
    how: { force?: boolean; only?: readonly string[]; approved?: boolean; newId: string },
  ): Promise<string>;
  rerunFailed(id: string, how: { newId: string }): Promise<string | undefined>;
  /** Starts the run of a pull request's commit that no event told of; says why not, where it is not to be built. */
  buildPullRequest(
    asked: Asked,
    wanted: { number: number; sha: string },
    options: { signal: AbortSignal },
  ): Promise<{ readonly started: string } | { readonly refused: string }>;
}

export interface CommandEnd {
  readonly state: "done" | "refused";
  readonly reason: string;
}

/**
 * Does what a person asks for, if he may. Who asks and where is held against GitHub's API: an event alone proves neither.
 * Done twice it does no more than once.
 * @throws BuilderError where GitHub or the database does not answer
 */
export async function runCommand(
  asked: Asked,
  hands: CommandHands,
  { signal }: { signal: AbortSignal },
): Promise<CommandEnd> {
  const where = `${asked.owner}/${asked.repository}`;
  if ((await hands.installationOf(asked, { signal })) !== asked.installationId) {
    return refused(`the App is not installed on ${where}, or its installation is suspended`);
  }
  if (!(await hands.mayWrite(asked, asked.by, { signal }))) return refused(`${asked.by} may not write to ${where}`);
  if (asked.command.kind === "approve" && "pullRequest" in asked.command) {
    return approvePullRequest(asked, asked.command, { hands, signal });
  }
  const id = await runIdOf(asked, asked.command, hands);
  const run = id === undefined ? undefined : await hands.readRun(id);
  // The id comes from outside: another repository's run shall not even be known to exist.
  if (!run || run.repositoryId !== asked.repositoryId) return refused(`there is no such run of ${where}`);
  return act(asked, run, hands);
}

async function runIdOf(
  { repositoryId }: Asked,
  { push }: Extract<Command, { push: unknown }>,
  hands: CommandHands,
): Promise<string | undefined> {
  return typeof push === "string" ? push : hands.findRun({ repositoryId, ...push });
}

async function act({ command, by, delivery }: Asked, run: KnownRun, hands: CommandHands): Promise<CommandEnd> {
  const started = (id: string) => done(`run ${id} was started`);
  switch (command.kind) {
    case "cancel":
      return done(
        (await hands.cancel(run.id, { by })) === "ended" ? "the run had ended before" : "the run is cancelled",
      );
    case "rebuild": {
      const { force, only } = command;
      return started(await hands.rebuild(run.id, { force, ...(only && { only }), newId: delivery }));
    }
    case "rerun_failed": {
      const id = await hands.rerunFailed(run.id, { newId: delivery });
      return id === undefined ? done("nothing of the run had failed") : started(id);
    }
    case "approve":
      if (!run.isApprovable) return refused("the run waits for no approval");
      return started(await hands.rebuild(run.id, { approved: true, newId: delivery }));
  }
}

/** The event that brought the commit may have been missed: then GitHub is asked for the pull request. */
async function approvePullRequest(
  asked: Asked,
  { pullRequest: number, sha }: { readonly pullRequest: number; readonly sha: string },
  { hands, signal }: { hands: CommandHands; signal: AbortSignal },
): Promise<CommandEnd> {
  const id = await hands.findRun({ repositoryId: asked.repositoryId, sha, ref: `refs/pull/${number}/head` });
  const run = id === undefined ? undefined : await hands.readRun(id);
  if (run) return act({ ...asked, command: { kind: "approve", push: run.id } }, run, hands);
  const built = await hands.buildPullRequest(asked, { number, sha }, { signal });
  return "refused" in built ? refused(built.refused) : done(`run ${built.started} was started`);
}

function done(reason: string): CommandEnd {
  return { state: "done", reason };
}

function refused(reason: string): CommandEnd {
  return { state: "refused", reason };
}
