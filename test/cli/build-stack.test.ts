import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test, vi } from "vitest";

vi.setConfig({ testTimeout: 60_000 });

const bin = join(import.meta.dirname, "../../bin/of-builder.js");
const run = promisify(execFile);

const functions = ["api-users", "api-orders", "web"];
const stack = `version: 1.0
provider: {name: openfaas}
functions:
${functions.map((name) => `  ${name}: {lang: dockerfile, handler: ./fn, image: "\${REGISTRY:-r}/${name}"}\n`).join("")}`;

/** `of-builder build --shrinkwrap out` in a folder of its own. @returns also the functions that were written */
async function shrinkwrap(args: readonly string[], text = stack, others: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "fn"));
  await writeFile(join(folder, "fn/Dockerfile"), "FROM busybox\n");
  for (const [name, content] of Object.entries({ "stack.yml": text, ...others }))
    await writeFile(join(folder, name), content);
  const env = { PATH: process.env.PATH, HOME: folder };
  const all = [bin, "build", "--shrinkwrap", "out", ...args];
  const ended = await run(process.execPath, all, { cwd: folder, env }).then(
    ({ stderr }) => ({ code: 0, stderr }),
    (error: { code: number; stderr: string }) => error,
  );
  const written = await readdir(join(folder, "out")).catch(() => []);
  return { code: ended.code, stderr: ended.stderr, written: written.sort() };
}

test.for([
  [
    ["--filter", "api-*"],
    ["api-orders", "api-users"],
  ],
  [
    ["--regex", "s$|^w"],
    ["api-orders", "api-users", "web"],
  ],
  [
    ["--regex", "", "--filter", ""],
    ["api-orders", "api-users", "web"],
  ],
] as const)("%j selects %j", async ([args, names]) => {
  expect(await shrinkwrap(args)).toMatchObject({ code: 0, written: names });
});

test.for([
  [["--regex", "(\\w)\\1"], "error parsing regexp: invalid escape sequence: `\\1`"],
  [["--regex", "a", "--filter", "a"], "pass in a regex or a filter, not both"],
  [["--filter", "x"], "no functions matching --filter/--regex were found in the YAML file"],
] as const)("%j is wrong use", async ([args, message]) => {
  expect(await shrinkwrap(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message), written: [] });
});

test("M8 another stack file of the folder is built in place of stack.yml", async () => {
  const others = { "other.yml": stack.replaceAll("api-", "other-") };
  expect(await shrinkwrap(["-f", "other.yml"], "not: read", others)).toMatchObject({
    code: 0,
    written: ["other-orders", "other-users", "web"],
  });
});

test("a stack file is fetched from an address", async () => {
  const server = createServer((_, response) => response.end(stack));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/stack.yml`;
  expect(await shrinkwrap(["-f", address], "not: read")).toMatchObject({ code: 0, written: [...functions].sort() });
});

test.for([["--envsubst=false"], ["--no-envsubst"]])("with %s variables stay as they are", async (args) => {
  const { code, stderr } = await shrinkwrap(args);
  expect(code).toBe(1);
  expect(stderr).toContain('image name "${REGISTRY:-r}/api-users');
  expect(await shrinkwrap(["--envsubst=true"])).toMatchObject({ code: 0 });
});

test("all faults are shown with place, line and caret", async () => {
  const text = 'provider: {name: openfaas}\nfunctions:\n  a:\n    skip_build: "true"\n    secrets: one\n';
  const { code, stderr } = await shrinkwrap([], text);
  expect(code).toBe(1);
  expect(stderr).toContain(
    'stack.yml:4:17: skip_build: expected true or false, found "true"\n  4 |     skip_build: "true"\n    |                 ^\n' +
      'stack.yml:5:14: secrets: expected a list, found "one"\n  5 |     secrets: one\n    |              ^\n',
  );
});

test("the wrong handlers of all functions and all wrong copied paths are told at once", async () => {
  const names = ["a", "b", "c"].map((name) => `  ${name}: {lang: dockerfile, handler: ./no-${name}, image: ${name}}\n`);
  const copied = "configuration:\n  copy: [fn, ./no-one, ../no-two]\n";
  const text = `provider: {name: openfaas}\nfunctions:\n${names.join("")}${copied}`;
  const { code, stderr, written } = await shrinkwrap([], text);
  expect([code, written]).toEqual([1, []]);
  expect(stderr.match(/^stack\.yml:.*$/gm)).toEqual([
    expect.stringMatching(/^stack\.yml:3:34: handler "no-a" does not exist/),
    expect.stringMatching(/^stack\.yml:4:34: handler "no-b" does not exist/),
    expect.stringMatching(/^stack\.yml:5:34: handler "no-c" does not exist/),
    expect.stringMatching(/^stack\.yml:7:14: copied path "no-one" does not exist/),
    expect.stringMatching(/^stack\.yml:7:24: copied path "\.\.\/no-two" lies outside/),
  ]);
  expect(stderr).toContain("7 |   copy: [fn, ./no-one, ../no-two]");
});

test("a misspelt key is a warning that keeps nothing from being built", async () => {
  const text = `${stack}    \n  more:\n    lang: dockerfile\n    handlr: ./fn\n    handler: ./fn\n`;
  const { code, stderr, written } = await shrinkwrap([], text);
  expect([code, written.length]).toEqual([0, 4]);
  expect(stderr).toContain('warning: stack.yml:10:5: unknown key "handlr" is ignored: did you mean "handler"?');
  expect(stderr).toContain("10 |     handlr: ./fn");
});
