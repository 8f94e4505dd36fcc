import { execFile, execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createScratch } from "../database/scratch.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";

const run = promisify(execFile);
const parts = new AsyncDisposableStack();
const { path: scratch } = parts.use(await createScratch());
afterAll(() => parts.disposeAsync());

const bin = join(import.meta.dirname, "../../bin/of-builder.js");
const template = (text: string) => ({
  "template/small/Dockerfile": `FROM ${text}\n`,
  "template/small/meta.json": "{}",
});
let github: GithubServer;
let url: string;
let store: string;

beforeAll(async () => {
  github = parts.use(await startGithubServer());
  ({ cloneUrl: url } = await github.createRepository("o", "templates", { branch: "main", files: template("one") }));
  execFileSync("git", ["-C", join(github.folder, "o/templates.git"), "tag", "v1", "main"]);
  await github.commit("o", "templates", { branch: "main", files: template("two") });
  const list = [
    { template: "small", language: "Any", source: "newest", repo: url, official: "true" },
    { template: "small", language: "Any", source: "first", repo: `${url}#v1`, official: "false" },
  ];
  const server = createServer((_, response) => response.end(JSON.stringify(list)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  parts.defer(() => void server.close());
  store = `http://127.0.0.1:${(server.address() as AddressInfo).port}/templates.json`;
});

/** Writes a folder with one function and shrinkwraps it; answers the Dockerfile that it got. */
async function dockerfileOf(
  lang: string,
  { templates = "[]", files = {}, env = {} }: { templates?: string; files?: Record<string, string>; env?: object } = {},
): Promise<string> {
  const folder = join(scratch, String(Math.random()).slice(2));
  const text = `provider: {name: openfaas}\nfunctions:\n  a: {lang: ${lang}, handler: ./a, image: a}\nconfiguration:\n  templates: ${templates}\n`;
  for (const [path, content] of Object.entries({ "stack.yml": text, "a/handler": "x", ...files })) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await run(process.execPath, [bin, "build", "--shrinkwrap", "out"], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: scratch, data_path: join(scratch, "data"), ...env },
  });
  await expect(readFile(join(folder, "out/a/meta.json"))).rejects.toThrow("ENOENT");
  return readFile(join(folder, "out/a/Dockerfile"), "utf8");
}

const named = (name: string, source: string) => `[{name: ${name}, source: '${source}'}]`;

test("templates come from where the stack says: an address, a branch, a tag, a commit, or its first digits", async () => {
  const bare = join(github.folder, "o/templates.git");
  const sha = execFileSync("git", ["-C", bare, "rev-parse", "v1"], { encoding: "utf8" }).trim();
  for (const [lang, source, dockerfile] of [
    ["small", url, "FROM two\n"],
    ["small", `${url}#main`, "FROM two\n"],
    ["small", `${url}#v1`, "FROM one\n"],
    ["small", `${url}#sha-${sha}`, "FROM one\n"],
    ["small", `${url}#sha-${sha.slice(0, 8)}`, "FROM one\n"],
    ["small@v1", url, "FROM one\n"],
    ["small@v1", `${url}#v1`, "FROM one\n"],
  ] as const) {
    expect([source, await dockerfileOf(lang, { templates: named(lang, source) })]).toEqual([source, dockerfile]);
  }
  expect(await dockerfileOf("small", { templates: `[{source: '${url}#v1'}]` })).toBe("FROM one\n");
});

test("a source may be a folder of this disk", async () => {
  const files = { "mine/template/small/Dockerfile": "FROM mine\n" };
  expect(await dockerfileOf("small", { templates: named("small", "./mine"), files })).toBe("FROM mine\n");
  const repository = join(scratch, "repository");
  await run("git", ["clone", "--quiet", url, repository], { env: { PATH: process.env.PATH, HOME: scratch } });
  expect(await dockerfileOf("small", { templates: named("small", repository) })).toBe("FROM two\n");
  expect(await dockerfileOf("small", { templates: named("small", `${repository}#v1`) })).toBe("FROM one\n");
  await expect(dockerfileOf("small", { templates: named("small", "./absent") })).rejects.toMatchObject({
    stderr: expect.stringContaining('source "./absent" is no folder'),
  });
});

test("a language that the stack says nothing of comes from the store, or from what custom_templates names", async () => {
  expect(await dockerfileOf("small", { env: { OPENFAAS_TEMPLATE_STORE_URL: store } })).toBe("FROM two\n");
  expect(await dockerfileOf("small@v1", { env: { template_store_url: store } })).toBe("FROM one\n");
  const env = { template_store_url: store };
  expect(await dockerfileOf("small", { templates: "[{name: first/small}]", env })).toBe("FROM one\n");
  expect(await dockerfileOf("small", { env: { custom_templates: `${url}#v1` } })).toBe("FROM one\n");
  await expect(dockerfileOf("cobol", { env: { template_store_url: store } })).rejects.toMatchObject({
    stderr: expect.stringMatching(/stack\.yml:3:13: .*"cobol".*the template store/),
  });
});

test("what was fetched once is there without its server", async () => {
  const server = await startGithubServer();
  const { cloneUrl } = await server.createRepository("o", "away", { files: template("away") });
  const templates = named("small", cloneUrl);
  const env = { template_refresh_ms: "0" };
  try {
    expect(await dockerfileOf("small", { templates })).toBe("FROM away\n");
  } finally {
    await server.close();
  }
  expect(await dockerfileOf("small", { templates })).toBe("FROM away\n");
  expect(await dockerfileOf("small", { templates, env })).toBe("FROM away\n");
  await rm(join(scratch, "data/git"), { recursive: true });
  await expect(dockerfileOf("small", { templates })).rejects.toMatchObject({
    stderr: expect.stringContaining("cannot be fetched"),
  });
});
