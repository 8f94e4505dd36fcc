import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createInstallation, type Installation, owner, type Serving } from "./serving.ts";

const run = promisify(execFile);
const main = join(import.meta.dirname, "../../src/cli/main.ts");

let installation: Installation;
let serving: Serving;
let sha: string;
const [pushed, pinged, missed] = [randomUUID(), randomUUID(), randomUUID()];

beforeAll(async () => {
  installation = await createInstallation({ sweep_interval: "100ms" });
  const { github } = installation;
  ({ sha } = await github.createRepository(owner, "fns", { branch: "main" }));
  serving = await installation.start();
  await installation.push(serving, { sha, branch: "main", guid: pushed });
  await github.deliver(`${serving.address}/webhook`, { zen: "x\u009b31m" }, { event: "ping", guid: pinged });
  const tag = { ...github.pushPayload({ owner, name: "fns", sha }), ref: "refs/tags/v1" };
  await github.hook.send(tag, { guid: missed });
  await installation.ended(sha);
  await serving.logged("sweep: found");
});
afterAll(() => installation[Symbol.asyncDispose]());

async function deliveries(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...installation.settings };
  return (await run(process.execPath, [main, "deliveries", ...args], { env })).stdout;
}
const parsed = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("deliveries list tells what arrived, by which way, and what became of it", async () => {
  const lines = (await deliveries("list")).split("\n");
  expect(lines.find((line) => line.startsWith(pushed))).toMatch(
    / webhook {2}ignored {4}push {2}Alice\/fns {2}nothing to build/,
  );
  expect(lines.find((line) => line.startsWith(pinged))).toMatch(/ webhook {2}ignored {4}ping {2}pong: /);
  expect(lines.find((line) => line.startsWith(missed))).toMatch(
    / sweep {4}ignored {4}push {2}Alice\/fns {2}.*is a tag/,
  );
});

test("it filters, and prints lines of JSON", async () => {
  expect(parsed(await deliveries("list", "--source", "sweep", "--json"))).toMatchObject([
    { guid: missed, source: "sweep" },
  ]);
  expect(parsed(await deliveries("list", "--owner", "ALICE", "--limit", "1", "--json"))).toHaveLength(1);
  expect(await deliveries("list", "--event", "star")).toBe("there are no deliveries\n");
});

test("deliveries show tells all that is known of one, with its payload, and nothing that a terminal obeys", async () => {
  const text = await deliveries("show", missed);
  expect(text).toContain("answer    GitHub noted: 502 failed to connect to host");
  expect(text).toContain('"ref": "refs/tags/v1"');
  expect(await deliveries("show", pinged)).toContain('"zen": "x\\u009b31m"');
  expect(parsed(await deliveries("show", pushed, "--json"))).toMatchObject([{ run: pushed, payload: { after: sha } }]);
});

test("deliveries replay takes one as a new one, which is built", async () => {
  const [guid = ""] = (await deliveries("replay", pushed)).split(" ");
  expect(guid).not.toBe(pushed);
  await serving.logged("push ended", ({ delivery }) => delivery === guid);
  expect(parsed(await deliveries("show", guid, "--json"))).toMatchObject([
    { source: "api", run: guid, state: "ignored" },
  ]);
});

test("what is not there is wrong use", async () => {
  await expect(deliveries("show", "nothing")).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no delivery "nothing"'),
  });
});
