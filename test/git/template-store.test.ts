import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createTemplateStore } from "../../src/git/template-store.ts";
import { listening, scratchFolder } from "./git-scene.ts";

/** A list of the published shape: `source` is a short name, `repo` the address. */
const list = (repo: string) =>
  JSON.stringify([
    { template: "go", language: "Go", source: "someone", description: "text", repo, official: "false" },
    { template: "go", language: "Go", source: "other", description: "text", repo: `${repo}/other`, official: "false" },
  ]);

/** A store that answers each request in turn, the last answer again and again. */
async function storeScene(...answers: readonly RequestListener[]) {
  let asked = 0;
  const server = createServer((request, response) => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    answer?.(request, response);
  });
  const url = `${await listening(server)}/templates.json`;
  const warnings: string[] = [];
  const log = {
    debug() {},
    info() {},
    warn: (_: unknown, text: string) => void warnings.push(text),
    error() {},
    child: () => log,
  };
  const folder = join(await scratchFolder(), "templates");
  const open = (refreshMs: number) => createTemplateStore({ url, folder, refreshMs, log });
  return { open, url, warnings, asked: () => asked };
}

const good =
  (repo: string): RequestListener =>
  (_, response) =>
    response.end(list(repo));
const broken: RequestListener = (_, response) => response.writeHead(500).end("no");

test("a template is found with its repository, one that is not there is not", async () => {
  const { open, asked } = await storeScene(good("https://x/1"));
  const store = open(60_000);
  expect(await Promise.all(["go", "other/go", "cobol", "third/go"].map((name) => store.find(name)))).toEqual([
    "https://x/1",
    "https://x/1/other",
    undefined,
    undefined,
  ]);
  expect(await open(60_000).find("go")).toBe("https://x/1");
  expect(asked()).toBe(1);
});

test("an old list is fetched again", async () => {
  const { open } = await storeScene(good("https://x/1"), good("https://x/2"));
  const store = open(0);
  expect([await store.find("go"), await store.find("go")]).toEqual(["https://x/1", "https://x/2"]);
});

test("a store that is away leaves its last good list, and a warning", async () => {
  const { open, warnings } = await storeScene(good("https://x/1"), broken);
  expect(await open(0).find("go")).toBe("https://x/1");
  expect(await open(0).find("go")).toBe("https://x/1");
  expect(warnings).toEqual([expect.stringMatching(/cannot be read: HTTP status 500; its last good list is used/)]);
});

test.for<[string, RequestListener, RegExp]>([
  ["an error", broken, /HTTP status 500/],
  ["no JSON", (_, response) => response.end("<html>"), /JSON/],
  ["no list", (_, response) => response.end("{}"), /expected a list/],
  ["a redirect", (_, response) => response.writeHead(302, { location: "/other" }).end(), /redirect/],
  [
    "more than anyone reads",
    (_, response) => response.end(Buffer.alloc(5 * 1024 * 1024, " ")),
    /more than 4194304 bytes/,
  ],
  ["nothing", (_, response) => void response.destroy(), /fetch failed/],
])("S8 a store that answers %s is a fault that may pass", async ([, answer, message]) => {
  const { open } = await storeScene(answer);
  await expect(open(0).find("go")).rejects.toMatchObject({
    code: "checkout_failed",
    message: expect.stringMatching(message),
  });
});
