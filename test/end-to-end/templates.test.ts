import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createInstallation, type Installation, owner, type Serving } from "./serving.ts";

let installation: Installation;
let serving: Serving;

const template = (name: string, text = "FROM busybox\nCOPY function/ /function/\n") => ({
  [`template/${name}/Dockerfile`]: text,
});

beforeAll(async () => {
  installation = await createInstallation({ enable_repository_templates: "false" });
  const { github, settings } = installation;
  const offered = await github.createRepository("templates", "offered", { files: template("small") });
  await github.createRepository("templates", "allowed", { files: template("other") });
  await github.createRepository("strangers", "evil", { files: template("other") });
  settings.custom_templates = offered.cloneUrl;
  settings.template_sources = `${github.url}/templates/*`;
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

/** Pushes a repository with one function, and answers how that ended. */
async function pushed(name: string, lang: string, more: { templates?: string; files?: Record<string, string> } = {}) {
  const { templates = "[]", files = {} } = more;
  const text = `provider: {name: openfaas}\nfunctions:\n  a:\n    handler: ./a\n    lang: ${lang}\nconfiguration:\n  templates: ${templates}\n`;
  const { github } = installation;
  const all = { "stack.yml": text, "a/handler": name, ...files };
  const { sha } = await github.createRepository(owner, name, { files: all, branch: "main" });
  await installation.push(serving, { name, sha, branch: "main" });
  return { sha, ended: await installation.ended(sha) };
}

test("a template of the installation is fetched once, and kept for the next push", async () => {
  const { ended } = await pushed("first", "small");
  expect(ended.a).toMatch(/^success: image /);
  const known = serving.log.filter(({ url }) => String(url).includes("/templates/offered.git"));
  await installation.github.commit("templates", "offered", { files: template("small", "FROM absent.invalid/x\n") });
  expect((await pushed("second", "small")).ended.a).toMatch(/^success: image /);
  const shas = serving.log.filter(({ url }) => String(url).includes("/templates/offered.git")).map(({ sha }) => sha);
  expect(shas.length).toBeGreaterThan(known.length);
  expect(new Set(shas).size).toBe(1);
});

test("a stack may name a source that the installation allows", async () => {
  const templates = `[{name: other, source: '${installation.github.url}/templates/allowed.git'}]`;
  expect((await pushed("named", "other", { templates })).ended.a).toMatch(/^success: image /);
});

test("S8 a stack may name no other source, shown with its line", async () => {
  const templates = `[{name: other, source: '${installation.github.url}/strangers/evil.git'}]`;
  const { ended } = await pushed("unnamed", "other", { templates });
  expect(ended["stack-deploy"]).toMatch(/^failure: stack\.yml line 7: .*strangers\/evil\.git/);
});

test("S9 a repository's own template counts for nothing where the installation forbids it", async () => {
  const { ended } = await pushed("own", "mine", { files: template("mine") });
  expect(ended["stack-deploy"]).toMatch(/^failure: stack\.yml line 5: function a has lang "mine"/);
});

test("S12 build secrets of a pushed stack open no file of the server", async () => {
  const secret = join(installation.folder, "secrets/private-key");
  expect(await readFile(secret, "utf8")).toContain("PRIVATE KEY");
  const text = `provider: {name: openfaas}\nfunctions:\n  a:\n    handler: ./a\n    lang: dockerfile\n    build_secrets: {x: ${secret}}\n`;
  const dockerfile = "FROM busybox\nRUN --mount=type=secret,id=x test ! -e /run/secrets/x\n";
  const { ended } = await pushed("secrets", "dockerfile", { files: { "stack.yml": text, "a/Dockerfile": dockerfile } });
  expect(ended.a).toMatch(new RegExp(`^success: image ${inject("registry")}/`));
});
