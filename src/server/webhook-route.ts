import express, { type Request, type RequestHandler, type Response } from "express";
import { BuilderError, messageOf } from "../errors.ts";
import { type DeliveryRules, readDelivery } from "../github/webhook.ts";
import type { Log } from "../log.ts";
import type { Asked } from "../model/command.ts";
import type { Delivery } from "../model/delivery.ts";

/** GitHub sends no event that is larger. */
const maxBodyBytes = 25 * 1024 * 1024;
const parseRaw = express.raw({ type: () => true, limit: maxBodyBytes, inflate: false });

export interface WebhookHands {
  /** The webhook's secrets, read anew for each delivery: they change while the server runs. */
  secrets(): Promise<readonly string[]>;
  readonly rules: Omit<DeliveryRules, "secrets">;
  /** Makes the delivery durable, and starts its work in the same breath. `body` is what GitHub signed. */
  store(delivery: Delivery, body: Buffer): Promise<"new" | "again" | "duplicate">;
  readonly log: Log;
}

/**
 * Creates the handler of GitHub's webhook.
 *
 * GitHub waits ten seconds for an answer and repeats nothing by itself. So the answer is 202 as soon as the delivery
 * is durable, with what will happen or why nothing will: `{ delivery, event, accepted, message }`. Everything else is
 * thrown as a BuilderError: 4xx when the delivery is at fault, and then nothing is stored; 503 when it could not be
 * stored, which GitHub lists so that it can be delivered again.
 */
export function createWebhookRoute(hands: WebhookHands): RequestHandler {
  return async (request, response) => {
    try {
      response.status(202).json(await receive(request, response, hands));
    } catch (error) {
      // Who operates the server learns more than who sent the delivery.
      const cause = messageOf((error as Error).cause ?? "");
      hands.log.warn({ ip: request.ip, cause }, `delivery refused: ${messageOf(error)}`);
      throw error;
    }
  };
}

async function receive(request: Request, response: Response, { secrets, rules, store, log }: WebhookHands) {
  checkForm(request);
  const body = await readBody(request, response);
  const delivery = await readDelivery({ headers: request.headers, body }, { ...rules, secrets: await secrets() });
  const told = { delivery: delivery.guid, event: delivery.event };
  const novelty = await storeSafely(() => store(delivery, body));
  const answer = { ...told, ...answerFor(delivery, novelty) };
  log.info({ ...answer, owner: delivery.owner, repository: delivery.repository }, "delivery taken");
  return answer;
}

/** Refuses what its headers alone give away. */
function checkForm(request: Request): void {
  if ((request.headers["content-encoding"] ?? "identity") !== "identity") {
    throw new BuilderError("body_invalid", "the body is compressed: GitHub's deliveries never are");
  }
  if (request.is("application/x-www-form-urlencoded")) {
    throw new BuilderError("body_invalid", "the body is a form: expected JSON", {
      fix: "Set the webhook's content type to application/json.",
    });
  }
}

async function readBody(request: Request, response: Response): Promise<Buffer> {
  await new Promise<void>((resolve, reject) => {
    parseRaw(request, response, (error) => (error ? reject(bodyError(error)) : resolve()));
  });
  // Where there is no body, the parser leaves none.
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
}

function bodyError(cause: unknown): BuilderError {
  const { type } = cause as { type?: string };
  if (type === "entity.too.large") {
    return new BuilderError("body_too_large", "the body is larger than 25 MiB", { cause });
  }
  return new BuilderError("body_invalid", "the body did not arrive whole", { cause });
}

async function storeSafely<T>(store: () => Promise<T>): Promise<T> {
  try {
    return await store();
  } catch (cause) {
    throw new BuilderError("database_unreachable", "the delivery could not be stored", { cause });
  }
}

function answerFor(
  { decision }: Delivery,
  novelty: "new" | "again" | "duplicate",
): { accepted: boolean; message: string } {
  if (decision.kind === "ignored" || decision.kind === "installed")
    return { accepted: false, message: decision.reason };
  if (decision.kind === "command") return { accepted: true, message: commandText(decision.asked) };
  const { push, skip } = decision;
  if (skip !== undefined) return { accepted: false, message: skip };
  const what = `${push.owner}/${push.repository} at ${push.sha.slice(0, 7)} of branch ${push.branch}`;
  const messages = {
    new: `${what} will be built`,
    again: `${what} failed by our fault before: it will be built again`,
    duplicate: `this delivery was accepted before: ${what} is built once`,
  };
  return { accepted: true, message: messages[novelty] };
}

function commandText({ command, by, owner, repository }: Asked): string {
  return `${command.kind.replace("_", " ")} in ${owner}/${repository}: done if ${by} may write there`;
}
