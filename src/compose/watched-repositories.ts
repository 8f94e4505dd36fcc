import type { Database } from "../database/database.ts";
import { readUntoldBranches, readWatched, storeBranches } from "../database/watched.ts";
import { messageOf } from "../errors.ts";
import type { GithubApp } from "../github/app.ts";
import type { Log } from "../log.ts";
import type { BranchHead } from "../model/branch-head.ts";
import { environmentOf } from "../model/build-policy.ts";
import type { Push } from "../model/push.ts";
import type { RepositoryPollHands, WatchedRepository } from "../pipeline/poll-repositories.ts";
import { ofHead, storeFound } from "./found-push.ts";
import type { Intake } from "./intake.ts";

/** Creates what finds first pushes is given. */
export function createRepositoryPollHands({
  app: { facts },
  database,
  intake,
  log,
}: {
  app: GithubApp;
  database: Database;
  intake: Intake;
  log: Log;
}): RepositoryPollHands {
  return {
    repositories: () => readWatched(database),
    readBranches: (repository, options) => facts.branches(repository, repository, options),
    untold: ({ repositoryId }, heads) => readUntoldBranches(database, repositoryId, heads),
    async wanted(repository, names, options) {
      const { policy } = intake.rules;
      const main = policy.branches.length > 0 ? "" : ((await facts.defaultBranch(repository, options)) ?? "");
      return names.filter((name) => environmentOf(name, policy, main) !== undefined);
    },
    readHead: (repository, branch, options) => facts.branchHead(repository, { branch, etag: undefined }, options),
    ingest: (repository, branch, head) => storeFound(foundPush(repository, branch, head), head, intake),
    storeBranches: ({ repositoryId }, branches) => storeBranches(database, repositoryId, branches),
    onFault({ owner, repository }, error) {
      log.warn({ repository: `${owner}/${repository}`, reason: messageOf(error) }, "poll: its branches are not known");
    },
  };
}

function foundPush({ isKnown: _, etag: __, ...repository }: WatchedRepository, branch: string, head: BranchHead): Push {
  const { repositoryId } = repository;
  return {
    ...repository,
    ...ofHead(head, [repositoryId, branch]),
    ...{ kind: "push", ref: `refs/heads/${branch}`, branch, environment: "" },
    // It is fetched by its names.
    cloneUrl: "",
  };
}
