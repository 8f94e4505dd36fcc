import { z } from "zod";
import type { Decision } from "../model/delivery.ts";
import { asking } from "./asking.ts";
import { ignored, type RawEvent } from "./event.ts";
import { login, ofRepository, parseEvent } from "./payload.ts";

/** What is read of GitHub's `issue_comment` event: comments of pull requests come as it, too. */
const commentEvent = ofRepository.extend({
  action: z.string(),
  issue: z.object({ number: z.number().int().positive(), pull_request: z.object({}).nullish() }),
  comment: z.object({ body: z.string().nullish() }),
  sender: login,
});

/** The whole name of the commit: of a beginning of it a stranger could soon make another one. */
const approval = /^\s*\/ok-to-test(?:[ \t]+(\S+))?[ \t]*\r?$/m;
const commit = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Decides about a comment: `/ok-to-test SHA` approves of a fork's commit. One that was edited later asks for nothing. */
export function decideComment({ guid, payload }: RawEvent): Decision {
  const event = parseEvent(commentEvent, payload);
  if (event.action !== "created" || !event.issue.pull_request)
    return ignored("the comment is no new one of a pull request");
  const found = approval.exec(event.comment.body ?? "");
  if (!found) return ignored("the comment does not say /ok-to-test");
  const sha = found[1]?.toLowerCase() ?? "";
  if (!commit.test(sha)) return ignored("/ok-to-test needs the whole name of the commit, 40 digits");
  return asking(guid, event, { kind: "approve", pullRequest: event.issue.number, sha });
}
