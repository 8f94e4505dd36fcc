import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createHookDeliveries } from "../../src/github/hook-deliveries.ts";
import { createOctokit } from "../../src/github/octokit.ts";
import { readDelivery } from "../../src/github/webhook.ts";
import { quiet } from "../database/scratch.ts";
import { plainPolicy, push, secret } from "./reading.ts";

/** The first versions without the holes of CVE-2023-50728 and of February 2025 (CVE-2025-25285, -25288, -25289, -25290). */
const mended: Readonly<Record<string, readonly number[]>> = {
  webhooks: [12, 0, 4],
  endpoint: [10, 1, 3],
  request: [9, 2, 1],
  "request-error": [6, 1, 7],
  "plugin-paginate-rest": [11, 4, 1],
};

test.for(Object.entries(mended))("W14 @octokit/%s is of %j or later", ([name, least]) => {
  const file = readFileSync(`node_modules/@octokit/${name}/package.json`, "utf8");
  const { version } = JSON.parse(file) as { version: string };
  const parts = version.split(".").map(Number);
  const at = least.findIndex((number, index) => parts[index] !== number);
  expect(at < 0 || (parts[at] ?? 0) > (least[at] ?? 0)).toBe(true);
});

test("W14 a delivery that is hostile in every header is refused, and ends nothing", async () => {
  const headers = { "x-hub-signature-256": "sha256=x", "x-github-event": "\u0000", "x-github-delivery": "{" };
  const delivery = { headers, body: Buffer.from(JSON.stringify(push())) };
  await expect(readDelivery(delivery, { secrets: [secret], policy: plainPolicy })).rejects.toMatchObject({
    code: "signature_wrong",
  });
});

test("W14 a link header made to keep an expression busy keeps none busy", async () => {
  const hostile = `${"<".repeat(6000)}>;${" ".repeat(6000)}rel="nex`;
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json", link: hostile, deprecation: "true" }).end("[]");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const octokit = createOctokit({ apiUrl, log: quiet, attemptMs: 10_000, backoffMs: 1 });
  const deliveries = createHookDeliveries(async () => octokit);
  const pages = [];
  for await (const page of deliveries.pages({ signal: AbortSignal.timeout(20_000) })) pages.push(page);
  expect(pages).toEqual([[]]);
});
