import { emitterEventNames } from "@octokit/webhooks";
import { BuilderError } from "../errors.ts";
import type { Decision, Delivery } from "../model/delivery.ts";
import { faultOfName, isZeroSha } from "../model/git-names.ts";
import type { Push } from "../model/push.ts";
import { type AnyEvent, type PushEvent, parseAnyEvent, parseJson, parsePushEvent } from "./payload.ts";
import { checkSignature } from "./signature.ts";

/** A delivery as HTTP brought it: header names in lower case, the body's raw bytes. */
export interface RawDelivery {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

export interface DeliveryRules {
  /** Secrets of the webhook; each is good. */
  readonly secrets: readonly string[];
  /** Exact name of the branch whose pushes are built; absent: the repository's default branch. */
  readonly buildBranch?: string | undefined;
  /** Whether this owner's pushes are built; absent: everybody's are. */
  readonly customers?: ((owner: string) => Promise<boolean>) | undefined;
}

/** GUID-like: GitHub sends a UUID, other senders of its format send other short words. */
const guidText = /^[0-9A-Za-z][0-9A-Za-z-]{7,63}$/;
const eventText = /^[a-z][a-z0-9_]{0,63}$/;
const branchPrefix = "refs/heads/";

/**
 * Reads one delivery of GitHub's webhook. Nothing of it is looked at before its signature holds. GitHub's payload ends
 * here: what comes out is a push, or the reason why the event is ignored, which is an answer and no error.
 * @throws BuilderError `signature_missing`, `signature_wrong`, `body_invalid`, or `setting_invalid` without a secret
 */
export async function readDelivery({ headers, body }: RawDelivery, rules: DeliveryRules): Promise<Delivery> {
  checkSignature(body, headerOf(headers, "x-hub-signature-256"), rules.secrets);
  const guid = wordOf(headers, "x-github-delivery", guidText);
  const event = wordOf(headers, "x-github-event", eventText);
  const payload = parseJson(body);
  const about = parseAnyEvent(payload);
  return {
    guid,
    event,
    action: about.action,
    owner: ownerOf(about),
    repository: about.repository?.name,
    decision: await decide({ guid, event, payload }, rules),
  };
}

function headerOf(headers: RawDelivery["headers"], name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : value?.[0];
}

function wordOf(headers: RawDelivery["headers"], name: string, rule: RegExp): string {
  const value = headerOf(headers, name) ?? "";
  if (rule.test(value)) return value;
  const shown = JSON.stringify(value.slice(0, 100));
  throw new BuilderError("body_invalid", `header ${name} is ${shown}: expected what GitHub sends there`);
}

function ownerOf({ repository, installation }: AnyEvent): string | undefined {
  return repository?.owner.login ?? installation?.account.login;
}

async function decide(
  { guid, event, payload }: { guid: string; event: string; payload: unknown },
  { buildBranch, customers }: DeliveryRules,
): Promise<Decision> {
  if (event !== "push") return ignored(reasonFor(event));
  const push = parsePushEvent(payload);
  const owner = push.repository.owner.login;
  if (customers && !(await customers(owner))) return ignored(`Customer: "${owner}" not found in customers ACL`);
  return decidePush(guid, push, buildBranch ?? push.repository.default_branch ?? "master");
}

function reasonFor(event: string): string {
  if (event === "ping") return "pong: the webhook reaches this server and its secret is right";
  if (event.includes("installation")) return `event "${event}": an installation builds nothing before its first push`;
  const known = emitterEventNames.some((name) => name === event);
  return known
    ? `event "${event}" is not handled: only push is`
    : `event "${event}" is none that GitHub is known to send`;
}

function decidePush(guid: string, event: PushEvent, buildBranch: string): Decision {
  if (!event.ref.startsWith(branchPrefix)) return ignored(`"${event.ref}" is no branch: tags are not built`);
  if (event.deleted || isZeroSha(event.after)) return ignored(`"${event.ref}" was deleted: there is nothing to build`);
  const push = pushOf(guid, event);
  const fault = faultOfNames(push);
  if (fault) return ignored(fault.message);
  if (push.branch === buildBranch) return { kind: "push", push };
  return {
    kind: "push",
    push,
    skip: `skipping build for: ${event.ref} branch, the build branch is: ${buildBranch}`,
  };
}

function pushOf(guid: string, { ref, after, repository, installation, head_commit }: PushEvent): Push {
  return {
    delivery: guid,
    owner: repository.owner.login,
    repository: repository.name,
    repositoryId: repository.id,
    installationId: installation?.id,
    private: repository.private,
    branch: ref.slice(branchPrefix.length),
    sha: after,
    committedAt: Math.floor((Date.parse(head_commit?.timestamp ?? "") || 0) / 1000),
    cloneUrl: repository.clone_url,
  };
}

/** A name that we do not take may be good enough for GitHub: it is a reason, and no fault of the sender. */
function faultOfNames({ owner, repository, branch, sha }: Push): BuilderError | undefined {
  return (
    faultOfName("owner", owner) ??
    faultOfName("repository", repository) ??
    faultOfName("branch", branch) ??
    faultOfName("commit", sha)
  );
}

function ignored(reason: string): Decision {
  return { kind: "ignored", reason };
}
