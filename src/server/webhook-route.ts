import express, { type Request, type RequestHandler, type Response } from "express";
import { BuilderError, messageOf } from "../errors.ts";
import { type DeliveryRules, readDelivery } from "../github/webhook.ts";
import type { Log } from "../log.ts";
import type { Asked } from "../model/command.ts";
import type { Delivery } from "../model/delivery.ts";
import { lingerOnBody, slowLingerMs } from "./body-rest.ts";

/** GitHub sends no event that is larger. */
const maxBodyBytes = 25 * 1024 * 1024;
const parseRaw = express.raw({ type: () => true, limit: maxBodyBytes, inflate: false });
/** GitHub waits ten seconds for an answer, GitHub Enterprise Server thirty. */
const defaultBodyLimitMs = 30_000;

export interface WebhookHands {
  /** The webhook's secrets, read anew for each delivery: they change while the server runs. */
  secrets(): Promise<readonly string[]>;
  readonly rules: Omit<DeliveryRules, "secrets">;
  /** Makes the delivery durable, and starts its work in the same breath. `body` is what GitHub signed. */
  store(delivery: Delivery, body: Buffer): Promise<"new" | "again" | "duplicate">;
  /** Whoever sends a body byte by byte would otherwise keep a connection for as long as the largest tar may take. */
  readonly bodyLimitMs?: number;
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

async function receive(request: Request, response: Response, hands: WebhookHands) {
  const { secrets, rules, store, bodyLimitMs = defaultBodyLimitMs, log } = hands;
  checkForm(request);
  const body = await readBody(request, { response, limitMs: bodyLimitMs });
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

async function readBody(
  request: Request,
  { response, limitMs }: { response: Response; limitMs: number },
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => {
    reject(new BuilderError("body_slow", `the body did not arrive within ${limitMs / 1000} s`));
    lingerOnBody(request, { limitMs: slowLingerMs });
  };
  const limit = setTimeout(giveUp, limitMs);
  parseRaw(request, response, (error) => (error ? reject(bodyError(error)) : resolve()));
  await promise.finally(() => clearTimeout(limit));
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
