import { createHmac, randomUUID } from "node:crypto";
import examples from "@octokit/webhooks-examples" with { type: "json" };

interface EventExamples {
  readonly name: string;
  readonly examples: readonly Record<string, unknown>[];
}

/** GitHub's own examples of the payloads of every event. */
export const payloadExamples = examples as unknown as readonly EventExamples[];

/** Every example of one event. */
export function examplesOf(event: string): readonly Record<string, unknown>[] {
  return payloadExamples.find(({ name }) => name === event)?.examples ?? [];
}

export interface SignedDelivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** `X-Hub-Signature-256` of a body. */
function signatureOf(body: Buffer | string, secret: string): string {
  return `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
}

/** A delivery as GitHub sends it. */
export function signDelivery(
  payload: unknown,
  { event = "push", guid = randomUUID(), secret }: { event?: string; guid?: string; secret: string },
): SignedDelivery {
  const body = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload));
  return {
    body,
    headers: {
      "content-type": "application/json",
      "user-agent": "GitHub-Hookshot/0000000",
      "x-github-event": event,
      "x-github-delivery": guid,
      "x-hub-signature-256": signatureOf(body, secret),
    },
  };
}

/** GitHub's example of a push to a branch through an App, about another repository. */
export function pushPayload(push: {
  readonly owner: string;
  readonly name: string;
  readonly id: string;
  readonly private: boolean;
  /** Its default branch. */
  readonly defaultBranch: string;
  readonly branch?: string;
  readonly sha: string;
  readonly before?: string;
  /** Of the server that it lies on. */
  readonly url: string;
  readonly installationId: string;
}): Record<string, unknown> {
  const example = examplesOf("push").find(({ ref }) => String(ref).startsWith("refs/heads/")) ?? {};
  const { repository, head_commit } = example as Record<string, Record<string, unknown>>;
  return {
    ...example,
    ref: `refs/heads/${push.branch ?? push.defaultBranch}`,
    before: push.before ?? "0".repeat(40),
    after: push.sha,
    head_commit: { ...head_commit, id: push.sha, timestamp: new Date().toISOString() },
    repository: {
      ...repository,
      id: Number(push.id),
      name: push.name,
      full_name: `${push.owner}/${push.name}`,
      owner: { ...(repository?.owner as object), login: push.owner, name: push.owner },
      private: push.private,
      clone_url: `${push.url}/${push.owner}/${push.name}.git`,
      default_branch: push.defaultBranch,
      master_branch: push.defaultBranch,
    },
    installation: { id: Number(push.installationId), node_id: "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uMQ==" },
  };
}
