import { emitterEventNames } from "@octokit/webhooks";
import type { Decision } from "../model/delivery.ts";
import { decideCheckRun, decideCheckSuite } from "./check-event.ts";
import { decideComment } from "./comment-event.ts";
import { type DecisionRules, ignored, type RawEvent } from "./event.ts";
import { decideInstallation, decideInstallationRepositories, decideRepository } from "./installed-event.ts";
import { parseAnyEvent } from "./payload.ts";
import { decidePullRequest } from "./pull-request-event.ts";
import { decidePush } from "./push-event.ts";

/** What is done at each event that means something to us. */
const decisions: Readonly<Record<string, (event: RawEvent, rules: DecisionRules) => Decision>> = {
  push: decidePush,
  pull_request: decidePullRequest,
  issue_comment: decideComment,
  check_run: decideCheckRun,
  check_suite: decideCheckSuite,
  installation: decideInstallation,
  installation_repositories: decideInstallationRepositories,
  repository: decideRepository,
  ping: () => ignored("pong: the webhook reaches this server and its secret is right"),
};

/**
 * Decides what an event leads to. GitHub's payload ends here.
 * @throws BuilderError `body_invalid` when the payload is not what its event promises, and what `customers` throws
 */
export async function decide(event: RawEvent, rules: DecisionRules): Promise<Decision> {
  const how = Object.hasOwn(decisions, event.event) ? decisions[event.event] : undefined;
  if (!how) return ignored(unknownText(event.event));
  const decision = how(event, rules);
  if (decision.kind === "ignored" || decision.kind === "installed" || !rules.customers) return decision;
  const owner = parseAnyEvent(event.payload).repository?.owner.login ?? "";
  if (await rules.customers(owner)) return decision;
  return ignored(`Customer: "${owner}" not found in customers ACL`);
}

/** True for the events that may lead to something: only these are worth being asked for again. */
export function isOfUse({ event, action }: { event: string; action: string | null }): boolean {
  const actions: Readonly<Record<string, readonly string[]>> = {
    pull_request: ["opened", "synchronize", "reopened"],
    issue_comment: ["created"],
    check_run: ["rerequested", "requested_action"],
    check_suite: ["rerequested"],
  };
  if (event === "ping" || !Object.hasOwn(decisions, event)) return false;
  return !Object.hasOwn(actions, event) || (actions[event] ?? []).includes(action ?? "");
}

function unknownText(event: string): string {
  const known = emitterEventNames.some((name) => name === event);
  return known
    ? `event "${event}" is not handled: nothing is built for it`
    : `event "${event}" is none that GitHub is known to send`;
}
