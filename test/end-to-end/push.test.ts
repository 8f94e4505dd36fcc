import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createInstallation, digestOf, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation({ custom_templates: "" });
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

const good = "FROM busybox\nRUN echo good > /good\n";
const broken = "FROM busybox\nRUN echo fine\nRUN echo lost >&2 && exit 7\n";
const tagOf = (sha: string) => `1-main-${sha.slice(0, 7)}`;
const create = (name: string, files: Record<string, string>, options: { private?: boolean } = {}) =>
  installation.github.createRepository(owner, name, { files, branch: "main", ...options });

test("a push becomes images in the registry and statuses at GitHub", async () => {
  const { sha } = await create("fns", stackOf({ one: good, two: `${good}RUN true\n` }));
  const { status, body } = await installation.push(serving, { sha, branch: "main" });
  expect({ status, ...body }).toMatchObject({
    status: 202,
    accepted: true,
    message: `Alice/fns at ${sha.slice(0, 7)} of branch main will be built`,
  });

  const image = (name: string) => `${inject("registry")}/alice/fns-${name}:${tagOf(sha)}`;
  expect(await installation.ended(sha)).toEqual({
    "stack-deploy": "success: stack is successfully built: 2 functions",
    one: `success: image ${image("one")} is in the registry`,
    two: `success: image ${image("two")} is in the registry`,
  });
  expect(await digestOf("alice/fns-one", tagOf(sha))).toMatch(/^sha256:/);
  const states = installation.github.statuses.all
    .filter((posted) => posted.sha === sha)
    .map(({ context, state }) => `${context} ${state}`);
  expect(states.at(0)).toBe("stack-deploy pending");
  expect(states.at(-1)).toBe("stack-deploy success");
  // What has ended before its beginning could be told has no beginning.
  expect(states.filter((state) => state.endsWith("success")).toSorted()).toEqual([
    "one success",
    "stack-deploy success",
    "two success",
  ]);
});

test("one broken Dockerfile is shown with its file and line, the other functions are fine", async () => {
  const { sha } = await create("broken", stackOf({ bad: broken, fine: good }));
  await installation.push(serving, { name: "broken", sha, branch: "main" });
  const ended = await installation.ended(sha);
  expect(ended.bad).toMatch(/^failure: bad\/Dockerfile:3 .*exit code 7/);
  expect(ended.fine).toMatch(/^success: /);
  expect(ended["stack-deploy"]).toBe("failure: 1 of 2 functions failed: bad");
});

test("K1 a private repository is fetched with a token that is nowhere to be read", async () => {
  const { sha } = await create("hidden", stackOf({ one: good }), { private: true });
  await installation.push(serving, { name: "hidden", sha, branch: "main" });
  expect((await installation.ended(sha))["stack-deploy"]).toMatch(/^success: /);
  expect(installation.github.calls).toContain("POST /app/installations/1087/access_tokens");
  expect(JSON.stringify(serving.log)).not.toMatch(/gh[a-z]_|PRIVATE KEY|x-access-token/);
});

test("a broken stack file is a failure with its line", async () => {
  const { sha } = await create("yaml", { "stack.yml": "provider: {name: openfaas}\nfunctions:\n  a:\n   - x\n" });
  await installation.push(serving, { name: "yaml", sha, branch: "main" });
  expect((await installation.ended(sha))["stack-deploy"]).toMatch(
    /^failure: stack\.yml line 4: .*expected a map, found a list/,
  );
});

test("an unknown template is a failure with its line", async () => {
  const { sha } = await create("lang", {
    "stack.yml": "provider: {name: openfaas}\nfunctions:\n  a:\n    handler: a\n    lang: cobol\n",
  });
  await installation.push(serving, { name: "lang", sha, branch: "main" });
  expect((await installation.ended(sha))["stack-deploy"]).toMatch(
    /^failure: stack\.yml line 5: function a has lang "cobol", of which no template was found/,
  );
});

test("a repository without a stack file is told so", async () => {
  const { sha } = await create("bare", { "README.md": "nothing\n" });
  await installation.push(serving, { name: "bare", sha, branch: "main" });
  expect((await installation.ended(sha))["stack-deploy"]).toBe(
    "success: nothing to build: there is no stack.yaml or stack.yml in the root of the repository",
  );
});

test("a push to another branch is answered and shown with the reason", async () => {
  const { name } = await create("branches", stackOf({ one: good }));
  const sha = await installation.github.commit(owner, name, { files: { x: "x" }, branch: "feature" });
  const { status, body } = await installation.push(serving, { name, sha, branch: "feature" });
  expect({ status, ...body }).toMatchObject({ status: 202, accepted: false });
  expect(await installation.ended(sha)).toEqual({
    "stack-deploy": "success: skipping build for: refs/heads/feature branch, the build branch is: main",
  });
});

test("G8 a commit that a force-push has removed ends with the reason, although GitHub shows nothing beside it", async () => {
  await create("forced", stackOf({ one: good }));
  const sha = "0123456789012345678901234567890123456789";
  await installation.push(serving, { name: "forced", sha, branch: "main" });
  await serving.logged("push ended: 0123456789012345678901234567890123456789");
  expect(serving.log.find(({ msg }) => String(msg).startsWith("push ended: 0123"))).toMatchObject({
    state: "cancelled",
  });
});

test("G5 a handler that leads out of the repository gives nothing away", async () => {
  const link = { content: "/etc", mode: "120000" } as const;
  const stack = stackOf({ one: good });
  const text = `${stack["stack.yml"]}  up: {lang: dockerfile, handler: ../../.., image: up:1}\n  two: {lang: dockerfile, handler: ./two, image: two:1}\n`;
  const { sha } = await installation.github.createRepository(owner, "outside", {
    files: { ...stack, "two/passwd": link, "two/Dockerfile": "FROM busybox\nCOPY . /x/\n", "stack.yml": text },
    branch: "main",
  });
  await installation.push(serving, { name: "outside", sha, branch: "main" });
  const ended = await installation.ended(sha);
  expect(ended.one).toMatch(/^success: /);
  expect(ended.up).toMatch(/^failure: .*\.\.\/\.\.\/\.\./);
  expect(ended.two).toMatch(/^failure: .*passwd/);
});

test("a function is built from the template of a repository that the installation allows, and from no other", async () => {
  await using other = await createInstallation();
  const { github } = other;
  const template = {
    "template/tiny/Dockerfile": "FROM busybox\nCOPY function/ /function/\n",
    "template/tiny/template.yml": "language: tiny\n",
  };
  for (const name of ["templates", "strangers"])
    await github.createRepository(owner, name, { files: template, branch: "main" });
  other.settings.custom_templates = `${github.url}/${owner}/templates.git`;
  const tiny = await other.start();
  const stack = (rest: string) => ({
    "stack.yml": `provider: {name: openfaas}\nfunctions:\n  one: {lang: tiny, handler: ./one, image: one:1}\n${rest}`,
    "one/handler.sh": "echo one\n",
  });
  const { sha } = await github.createRepository(owner, "fns", { files: stack(""), branch: "main" });
  await other.push(tiny, { sha, branch: "main" });
  expect((await other.ended(sha)).one).toMatch(/^success: /);

  const named = `configuration:\n  templates:\n    - {name: tiny, source: "${github.url}/${owner}/strangers.git"}\n`;
  const later = await github.commit(owner, "fns", { files: stack(named), branch: "main" });
  await other.push(tiny, { sha: later, branch: "main" });
  expect((await other.ended(later))["stack-deploy"]).toMatch(/^failure: stack\.yml line 6: .*does not allow/s);
});
