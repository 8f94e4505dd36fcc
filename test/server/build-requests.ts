import { createHmac } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import { openArchive } from "../../src/contexts/archive.ts";
import type { Log } from "../../src/log.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { createFairQueue } from "../../src/pipeline/fair-queue.ts";
import { type BuildRouteHands, createBuildRoute } from "../../src/server/build-route.ts";
import { listen } from "../../src/server/listen.ts";
import { createReplayGuard } from "../../src/server/replay-guard.ts";

type Order = Parameters<BuildRouteHands["build"]>[0];
type Options = Parameters<BuildRouteHands["build"]>[1];

type Changes = Partial<Omit<BuildRouteHands, "build">> & {
  /** Answers a digest, or nothing. */
  build?(order: Order, options: Options): Promise<unknown>;
  /** The one secret that requests are signed with. */
  secret?(): Promise<string>;
};

export interface BuildServer extends AsyncDisposable {
  readonly url: string;
  /** What the route had built. */
  readonly orders: Order[];
  /** Messages of bugs that the route logged. */
  readonly bugs: string[];
  /** What lies in its temporary folder at this moment. */
  leftovers(): Promise<string[]>;
}

/** Serves the route for real, with a build that only records unless one is given. */
export async function serveBuilds({ build: change, secret, ...changes }: Changes = {}): Promise<BuildServer> {
  const temporaryFolder = await mkdtemp(join(tmpdir(), "of-builder-route-"));
  const orders: Order[] = [];
  const bugs: string[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn() {},
    error: (_fields, message) => void bugs.push(message),
    child: () => log,
  };
  const build = async (order: Order, options: Options) => {
    orders.push(order);
    const digest = await change?.(order, options);
    return { digest: typeof digest === "string" ? digest : undefined };
  };
  const find = (name: string) => findProgram(name, { path: process.env.PATH ?? "" });
  const route = createBuildRoute({
    keys: async () => (secret ? [{ id: "payload-secret", secret: await secret() }] : []),
    boxKeys: async () => [],
    openArchive: (file, options) => openArchive(file, { ...options, findProgram: find }),
    queue: createFairQueue({ maxRunning: 100, maxWaiting: 100 }),
    replayGuard: createReplayGuard("off", { now: Date.now }),
    limits: { maxBodyBytes: 10_000_000 },
    ...changes,
    build,
    temporaryFolder,
    log,
  });
  const { url, close } = await listen(express().post("/build", route), { host: "127.0.0.1", port: 0 });
  return {
    url,
    orders,
    bugs,
    leftovers: () => readdir(temporaryFolder),
    async [Symbol.asyncDispose]() {
      // Waits without end for a connection that is left over.
      await close({ limitMs: 2 ** 31 - 1 });
      await rm(temporaryFolder, { recursive: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** Posts a body. The connection is not kept. */
export async function post(
  { url }: { url: string },
  body: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(`${url}/build`, {
    method: "POST",
    body: new Uint8Array(body),
    headers: { connection: "close", ...headers },
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): Readonly<Record<string, unknown>> {
  return text.startsWith("{") && text.split("\n").filter(Boolean).length === 1 ? JSON.parse(text) : {};
}

/** Begins a request and leaves its body to the test. */
export function begin({ url }: { url: string }, headers: Readonly<Record<string, string | number>> = {}) {
  const request = httpRequest(`${url}/build`, { method: "POST", agent: false, headers });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
  });
  response.catch(() => {});
  return { request, response };
}

/** The signature of a body as faas-cli makes it. */
export function sign(body: Buffer, secret: string, algorithm = "sha256"): string {
  return `${algorithm}=${createHmac(algorithm, secret).update(body).digest("hex")}`;
}
