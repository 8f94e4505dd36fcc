import { z } from "zod";
import { type BuildPolicy, branchesText, environmentOf } from "../model/build-policy.ts";
import type { Decision } from "../model/delivery.ts";
import type { PullRequest, Push } from "../model/push.ts";
import { type DecisionRules, ignored, type RawEvent } from "./event.ts";
import { id, ofRepository, parseEvent, secondsOf } from "./payload.ts";
import { faultOfPush } from "./push-names.ts";

/** What is read of GitHub's `pull_request` event. */
const pullRequestEvent = ofRepository.extend({
  action: z.string(),
  number: z.number().int().positive(),
  before: z.string().optional(),
  pull_request: z.object({
    head: z.object({ sha: z.string(), repo: z.object({ id }).nullable() }),
    base: z.object({ ref: z.string(), repo: z.object({ id }) }),
    updated_at: z.string(),
  }),
});

type PullRequestEvent = z.infer<typeof pullRequestEvent>;

/** The actions that bring commits. */
const bringing = ["opened", "synchronize", "reopened"];

/**
 * Decides about a pull request. Whoever may write to the repository may run what he likes in it anyway; a fork's commit
 * waits for the approval of such a person, which is good for that commit alone.
 */
export function decidePullRequest({ guid, payload }: RawEvent, { policy }: DecisionRules): Decision {
  const event = parseEvent(pullRequestEvent, payload);
  const what = `pull request ${event.number}`;
  if (!bringing.includes(event.action)) return ignored(`${what}: "${event.action}" brings no commits`);
  const push = pushOf(guid, event);
  const fault = faultOfPush(push);
  if (fault) return ignored(fault.message);
  const reason = unbuiltReason(push.pullRequest, policy, event.repository.default_branch ?? "master");
  if (reason !== undefined) return ignored(reason);
  if (!push.pullRequest.fork) return { kind: "push", push };
  return { kind: "push", push, skip: approvalText(push.sha), approvable: true };
}

/** Why a pull request is not built here, whoever approves of it; undefined where it may be. */
export function unbuiltReason(
  { number, base, fork }: PullRequest,
  policy: BuildPolicy,
  defaultBranch: string,
): string | undefined {
  const what = `pull request ${number}`;
  if (policy.pullRequests === "none") return `${what}: build_pull_requests is none`;
  if (environmentOf(base, policy, defaultBranch) === undefined) {
    return `${what} is for ${base}, ${branchesText(policy, defaultBranch)}`;
  }
  return fork && policy.pullRequests === "own" ? `${what} comes from a fork: build_pull_requests is own` : undefined;
}

function approvalText(sha: string): string {
  return `waiting for approval: a person who may write here comments "/ok-to-test ${sha}"`;
}

function pushOf(
  guid: string,
  { number, before, pull_request: { head, base, updated_at }, repository, installation }: PullRequestEvent,
): Push & Required<Pick<Push, "pullRequest">> {
  return {
    delivery: guid,
    kind: "pull_request",
    owner: repository.owner.login,
    repository: repository.name,
    repositoryId: repository.id,
    installationId: installation?.id,
    private: repository.private,
    ref: `refs/pull/${number}/head`,
    branch: `pr-${number}`,
    environment: "",
    sha: head.sha,
    ...(before !== undefined && { before }),
    forced: false,
    pushedAt: secondsOf(updated_at),
    committedAt: 0,
    cloneUrl: repository.clone_url,
    // A fork that was deleted since has no repository any more.
    pullRequest: { number, fork: head.repo?.id !== base.repo.id, base: base.ref },
  };
}
