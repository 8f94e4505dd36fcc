import express, { type Request, type RequestHandler, type Response, Router } from "express";
import { z } from "zod";
import { BuilderError } from "../errors.ts";
import type { TokenGrant, TokenScope } from "../model/api-token.ts";
import { type ApiPush, type ApiPushDetail, rebuildRequestSchema, runStates } from "../model/pushes-api.ts";
import { checkAccess, type ReadTokens } from "./api-access.ts";
import { createLogRoute, type LogRouteHands } from "./log-route.ts";

/** Which pushes are asked for. */
export interface PushFilter {
  /** In lower case, as is the repository. */
  readonly owner?: string;
  readonly repository?: string;
  readonly branch?: string;
  readonly state?: ApiPush["state"];
  /** Those before this one. */
  readonly after?: string;
  readonly limit: number;
}

/** What the API takes of the installation. */
export interface ApiHands extends LogRouteHands {
  readonly readTokens: ReadTokens;
  list(filter: PushFilter): Promise<readonly ApiPush[]>;
  read(id: string): Promise<ApiPushDetail | undefined>;
  cancel(id: string, asked: { by: string }): Promise<"cancelled" | "ended">;
  rebuild(id: string, how: { force: boolean; only?: readonly string[] }): Promise<string>;
}

const maxBodyBytes = 128 * 1024;
const parseJson = express.json({ limit: maxBodyBytes, strict: true });

/**
 * Creates what is served below /api: pushes, their logs, cancelling and rebuilding. A token that is good for one owner
 * alone sees nothing of others: their pushes are answered as if there were none.
 */
export function createApi(hands: ApiHands): Router {
  const api = Router();
  const as =
    (scope: TokenScope, handle: (call: Call) => Promise<void>): RequestHandler =>
    async (request, response) => {
      response.set("Cache-Control", "no-store");
      const grant = await checkAccess(request, { scope, readTokens: hands.readTokens });
      await handle({ request, response, grant });
    };
  /** The push of the path, where the token reaches it. */
  const found = async ({ request, grant }: Call) => {
    const { id = "" } = request.params as { id?: string };
    const push = await hands.read(id);
    if (push && (grant.owner === undefined || grant.owner === push.owner)) return push;
    throw new BuilderError("run_unknown", `there is no push "${id}"`);
  };

  api.get(
    "/pushes",
    as("read", async ({ request, response, grant }) => {
      const filter = readFilter(request);
      const hidden = grant.owner !== undefined && filter.owner !== undefined && filter.owner !== grant.owner;
      const pushes = hidden ? [] : await hands.list({ ...filter, ...(grant.owner && { owner: grant.owner }) });
      response.json({ pushes, next: pushes.length < filter.limit ? null : (pushes.at(-1)?.id ?? null) });
    }),
  );
  api.get(
    "/pushes/:id",
    as("read", async (call) => {
      call.response.json(await found(call));
    }),
  );
  api.post(
    "/pushes/:id/cancel",
    as("write", async (call) => {
      const { id } = await found(call);
      call.response.json({ result: await hands.cancel(id, { by: `token ${call.grant.name}` }) });
    }),
  );
  api.post(
    "/pushes/:id/rebuild",
    as("write", async (call) => {
      const push = await found(call);
      const { force = false, functions: only } = await readRebuild(call, push);
      const id = await hands.rebuild(push.id, { force, ...(only && { only }) });
      call.response.status(202).json({ id });
    }),
  );
  const serveLog = createLogRoute(hands);
  api.get(
    "/pushes/:id/functions/:name/log",
    as("read", async (call) => {
      const push = await found(call);
      const { name } = call.request.params as { name?: string };
      const known = push.functions.find((candidate) => candidate.name === name);
      if (!known) throw new BuilderError("run_unknown", `the push "${push.id}" has no function "${name}"`);
      await serveLog(call, { push: push.id, name: known.name, token: call.grant.name });
    }),
  );
  return api;
}

interface Call {
  readonly request: Request;
  readonly response: Response;
  readonly grant: TokenGrant;
}

const word = z.string().min(1).max(300);
const filterSchema = z.strictObject({
  owner: word.toLowerCase().optional(),
  repository: word.toLowerCase().optional(),
  branch: word.optional(),
  state: z.enum(runStates).optional(),
  after: word.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(30),
});

function readFilter(request: Request): PushFilter {
  return parsed(filterSchema, request.query, "the query") as PushFilter;
}

async function readRebuild({ request, response }: Call, { id, functions }: ApiPushDetail) {
  await new Promise<void>((resolve, reject) => {
    parseJson(request, response, (error) => (error ? reject(bodyError(error)) : resolve()));
  });
  const wish = parsed(rebuildRequestSchema.strict(), request.body ?? {}, "the body");
  const unknown = wish.functions?.find((name) => !functions.some((known) => known.name === name));
  if (unknown === undefined) return wish;
  throw new BuilderError("run_unknown", `the push "${id}" has no function "${unknown}"`);
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`.trim());
  throw new BuilderError("body_invalid", `${what} is not what it should be: ${faults.join("; ")}`);
}

function bodyError(cause: unknown): BuilderError {
  const isLarge = (cause as { type?: string }).type === "entity.too.large";
  return isLarge
    ? new BuilderError("body_too_large", `the body is larger than ${maxBodyBytes} bytes`, { cause })
    : new BuilderError("body_invalid", "the body is no JSON", { cause });
}
