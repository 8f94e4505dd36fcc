import { z } from "zod";
import type { Command } from "../model/command.ts";
import type { Decision } from "../model/delivery.ts";
import { faultOfName } from "../model/git-names.ts";
import { stackContext } from "../model/report.ts";
import { asking } from "./asking.ts";
import { type DecisionRules, ignored, type RawEvent } from "./event.ts";
import { id, login, ofRepository, parseEvent } from "./payload.ts";

const app = z.object({ id }).nullish();

/** What is read of GitHub's `check_run` event. */
const checkRunEvent = ofRepository.extend({
  action: z.string(),
  check_run: z.object({ external_id: z.string().nullish(), app }),
  requested_action: z.object({ identifier: z.string() }).nullish(),
  sender: login,
});

/** What is read of GitHub's `check_suite` event. */
const checkSuiteEvent = ofRepository.extend({
  action: z.string(),
  check_suite: z.object({ head_sha: z.string(), app }),
  sender: login,
});

/** A check of ours carries the run's id and its context. */
const externalId = /^([0-9A-Za-z][0-9A-Za-z-]{7,63})(?:[/: ](.*))?$/s;

/** Decides about one check: "Re-run", or one of the buttons that we gave it. */
export function decideCheckRun({ guid, payload }: RawEvent, { appId }: DecisionRules): Decision {
  const event = parseEvent(checkRunEvent, payload);
  const { action, check_run, requested_action } = event;
  if (action !== "rerequested" && action !== "requested_action")
    return ignored(`"${action}" of a check asks for nothing`);
  const [, push, context] = externalId.exec(check_run.external_id ?? "") ?? [];
  if (push === undefined || isOthers(check_run.app, appId)) return ignored("the check is none of ours");
  const command = action === "rerequested" ? rerun(push, context) : commandOf(requested_action?.identifier ?? "", push);
  if (!command) return ignored(`the button "${requested_action?.identifier.slice(0, 20)}" is none of ours`);
  return asking(guid, event, command);
}

/** Decides about all checks of a commit: "Re-run all". */
export function decideCheckSuite({ guid, payload }: RawEvent, { appId }: DecisionRules): Decision {
  const event = parseEvent(checkSuiteEvent, payload);
  const { action, check_suite } = event;
  if (action !== "rerequested") return ignored(`"${action}" of a commit's checks asks for nothing`);
  if (isOthers(check_suite.app, appId)) return ignored("the checks are none of ours");
  const fault = faultOfName("commit", check_suite.head_sha);
  if (fault) return ignored(fault.message);
  return asking(guid, event, {
    kind: "rebuild",
    push: { sha: check_suite.head_sha },
    force: true,
    rerun: stackContext,
  });
}

/** Whoever re-runs one function wants that one built, changed or not; of a stack what is good may stay. */
function rerun(push: string, context: string | undefined): Command {
  const rebuild = { kind: "rebuild", push, rerun: context || stackContext } as const;
  const isStack = rebuild.rerun === stackContext;
  return isStack ? { ...rebuild, force: false } : { ...rebuild, force: true, only: [rebuild.rerun] };
}

function commandOf(button: string, push: string): Command | undefined {
  switch (button) {
    case "rerun-failed":
      return { kind: "rerun_failed", push };
    case "rebuild-all":
      return { kind: "rebuild", push, force: true };
    case "cancel":
      return { kind: "cancel", push };
    case "approve":
      return { kind: "approve", push };
    default:
      return undefined;
  }
}

function isOthers(app: { readonly id: string } | null | undefined, appId: string | undefined): boolean {
  return appId !== undefined && app?.id !== appId;
}
