import { createHash } from "node:crypto";
import type { BranchHead } from "../model/branch-head.ts";
import { branchesText, environmentOf, skipMarkOf } from "../model/build-policy.ts";
import type { Decision } from "../model/delivery.ts";
import type { Push } from "../model/push.ts";
import type { Intake } from "./intake.ts";

/**
 * What a push has of the head by which it was found.
 * @param after what it follows on: two that find the same head after the same mean one push
 */
export function ofHead(
  { sha, seenAt: pushedAt, committedAt }: BranchHead,
  after: readonly string[],
): Pick<Push, "delivery" | "sha" | "forced" | "pushedAt" | "found" | "committedAt"> {
  const name = createHash("sha256")
    .update(JSON.stringify([...after, sha]))
    .digest("hex");
  const delivery = name.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  return { delivery, sha, forced: false, pushedAt, found: true, committedAt };
}

/** Stores a push that nobody told us of, once, as if its event had come. */
export async function storeFound(push: Push, head: BranchHead, intake: Intake): Promise<void> {
  const { owner, repository, delivery: guid } = push;
  const decision = await decideFound(push, head, intake);
  const body = Buffer.from(JSON.stringify({ ref: push.ref, before: push.before, after: head.sha }));
  const about = { guid, event: "push", action: undefined, owner, repository };
  await intake.store({ ...about, decision }, body, { source: "poll", answer: "" });
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
