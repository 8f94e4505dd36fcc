import { createHmac, randomUUID } from "node:crypto";
import { BuilderError, messageOf } from "../errors.ts";
import { readHead } from "../git/read-head.ts";
import { webhookUrlOf } from "../model/app-manifest.ts";

export interface Delivered {
  readonly guid: string;
  readonly status: number;
  readonly accepted: boolean;
  /** What the server says will happen, or why nothing will. */
  readonly message: string;
}

/**
 * Signs a payload and sends it to a server as GitHub does.
 * @param to the server's address, or its webhook's
 * @throws BuilderError `usage`, `builder_unreachable`
 */
export async function deliverPayload(
  to: string,
  { body, event, secret, guid = randomUUID() }: { body: string | Buffer; event: string; secret: string; guid?: string },
  { signal }: { signal: AbortSignal },
): Promise<Delivered> {
  if (!URL.canParse(to)) throw new BuilderError("usage", `"${to}" is no address`);
  const url = new URL(to).pathname === "/" ? webhookUrlOf(to) : to;
  const headers = {
    "content-type": "application/json",
    "user-agent": "GitHub-Hookshot/of-builder",
    "x-github-event": event,
    "x-github-delivery": guid,
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  };
  try {
    const answer = await fetch(url, { method: "POST", body, headers, signal });
    return { guid, status: answer.status, ...readAnswer(await answer.text()) };
  } catch (cause) {
    signal.throwIfAborted();
    const reason = messageOf((cause as Error).cause ?? cause);
    throw new BuilderError("builder_unreachable", `${url} does not answer: ${reason}`, { cause });
  }
}

function readAnswer(text: string): { accepted: boolean; message: string } {
  try {
    const {
      accepted = false,
      message,
      error,
    } = JSON.parse(text) as { accepted?: boolean; message?: string; error?: string };
    return { accepted, message: message ?? error ?? "" };
  } catch {
    return { accepted: false, message: text.slice(0, 300) };
  }
}

/**
 * Makes GitHub's payload of a push of the commit that a folder has checked out.
 * @throws BuilderError `usage` where the folder is no repository of GitHub's
 */
export async function pushOfFolder(folder: string, options: { signal: AbortSignal }): Promise<object> {
  const { sha, branch, remote, committedAt, message } = await readHead(folder, options);
  const [, owner, name] = /[/:]([^/:]+)\/([^/]+?)(?:\.git)?\/?$/.exec(remote) ?? [];
  if (owner === undefined || name === undefined) {
    throw new BuilderError("usage", `the remote "${remote}" of ${folder} names no owner and repository`);
  }
  return {
    ref: `refs/heads/${branch}`,
    before: "0".repeat(40),
    after: sha,
    created: false,
    deleted: false,
    forced: false,
    repository: {
      id: 1,
      name,
      full_name: `${owner}/${name}`,
      private: false,
      owner: { login: owner, name: owner, id: 1 },
      clone_url: remote,
      default_branch: branch,
      pushed_at: Math.floor(Date.now() / 1000),
    },
    head_commit: { id: sha, message, timestamp: new Date(committedAt * 1000).toISOString() },
    commits: [],
    pusher: { name: owner },
    sender: { login: owner, id: 1 },
  };
}
