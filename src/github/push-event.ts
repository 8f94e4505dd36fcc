import { z } from "zod";
import {
  type BuildPolicy,
  branchesText,
  changesWanted,
  environmentOf,
  isBuiltTag,
  skipMarkOf,
} from "../model/build-policy.ts";
import type { Decision } from "../model/delivery.ts";
import { isZeroSha } from "../model/git-names.ts";
import type { Push } from "../model/push.ts";
import { type DecisionRules, ignored, type RawEvent } from "./event.ts";
import { ofRepository, parseEvent, secondsOf } from "./payload.ts";
import { faultOfPush } from "./push-names.ts";

const paths = z.array(z.string()).catch([]);

/** What is read of GitHub's `push` event. */
const pushEvent = ofRepository.extend({
  ref: z.string(),
  before: z.string().optional(),
  after: z.string(),
  created: z.boolean().catch(false),
  deleted: z.boolean(),
  forced: z.boolean().catch(false),
  head_commit: z.object({ timestamp: z.string(), message: z.string().catch("") }).nullish(),
  commits: z.array(z.object({ added: paths, removed: paths, modified: paths })).catch([]),
});

type PushEvent = z.infer<typeof pushEvent>;

const branchPrefix = "refs/heads/";
const tagPrefix = "refs/tags/";
/** GitHub lists no more of them. */
const maxCommits = 2048;

/** Decides about a push to a branch or a tag. */
export function decidePush({ guid, payload }: RawEvent, { policy }: DecisionRules): Decision {
  const event = parseEvent(pushEvent, payload);
  const { ref, after, deleted } = event;
  const isTag = ref.startsWith(tagPrefix);
  if (!isTag && !ref.startsWith(branchPrefix)) return ignored(`"${ref}" is no branch and no tag`);
  if (deleted || isZeroSha(after)) return ignored(`"${ref}" was deleted: there is nothing to build`);
  return isTag ? decideTag(guid, event, policy) : decideBranch(guid, event, policy);
}

function decideTag(guid: string, event: PushEvent, policy: BuildPolicy): Decision {
  const tag = event.ref.slice(tagPrefix.length);
  if (!isBuiltTag(tag, policy)) return ignored(`"${event.ref}" is a tag: build_tags has none of this name`);
  const push = pushOf(guid, event, { kind: "tag", branch: tag, environment: "" });
  return decided(push, markSkip(event));
}

function decideBranch(guid: string, event: PushEvent, policy: BuildPolicy): Decision {
  const branch = event.ref.slice(branchPrefix.length);
  const defaultBranch = event.repository.default_branch ?? "master";
  const environment = environmentOf(branch, policy, defaultBranch);
  const push = pushOf(guid, event, { kind: "push", branch, environment: environment ?? "" });
  if (environment !== undefined) return decided(push, markSkip(event) ?? pathSkip(event, policy));
  return decided(push, `skipping build for: ${event.ref} branch, ${branchesText(policy, defaultBranch)}`);
}

function decided(push: Push, skip: string | undefined): Decision {
  const fault = faultOfPush(push);
  if (fault) return ignored(fault.message);
  return skip === undefined ? { kind: "push", push } : { kind: "push", push, skip };
}

function markSkip({ head_commit }: PushEvent): string | undefined {
  const mark = skipMarkOf(head_commit?.message ?? "");
  return mark === undefined ? undefined : `skipping build: the commit says ${mark}`;
}

function pathSkip(event: PushEvent, policy: BuildPolicy): string | undefined {
  if (policy.paths.length === 0 || !listsAllChanges(event)) return undefined;
  const changed = event.commits.flatMap(({ added, removed, modified }) => [...added, ...removed, ...modified]);
  if (changesWanted(changed, policy)) return undefined;
  return `skipping build: no file of build_paths (${policy.paths.join(", ")}) has changed`;
}

/** What a new branch is made of, or one that commits were taken from, is not told by the commits that were pushed. */
function listsAllChanges({ created, forced, before = "", commits }: PushEvent): boolean {
  return !created && !forced && !isZeroSha(before) && commits.length > 0 && commits.length < maxCommits;
}

function pushOf(
  guid: string,
  { ref, before, after, forced, repository, installation, head_commit }: PushEvent,
  named: Pick<Push, "kind" | "branch" | "environment">,
): Push {
  return {
    delivery: guid,
    ...named,
    owner: repository.owner.login,
    repository: repository.name,
    repositoryId: repository.id,
    installationId: installation?.id,
    private: repository.private,
    ref,
    sha: after,
    ...(before !== undefined && !isZeroSha(before) && { before }),
    forced,
    pushedAt: secondsOf(repository.pushed_at),
    committedAt: secondsOf(head_commit?.timestamp),
    cloneUrl: repository.clone_url,
  };
}
