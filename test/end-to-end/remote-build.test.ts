import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createInstallation, digestOf, type Installation, type Serving } from "./serving.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation();
  await writeFile(join(installation.folder, "secrets", "payload-secret"), "remote secret\n");
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

/** A folder with a stack of functions by their Dockerfiles; answers what `of-builder remote-build` says. */
async function remoteBuild(
  dockerfiles: Readonly<Record<string, string>>,
  { args = [], env = {} }: { args?: readonly string[]; env?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number; output: string }> {
  const folder = join(installation.folder, `stack-${Object.keys(dockerfiles).join("-")}`);
  const functions = Object.keys(dockerfiles).map(
    (name) => `  ${name}: {lang: dockerfile, handler: ./${name}, image: "${inject("registry")}/remote/${name}:1"}\n`,
  );
  for (const [name, text] of Object.entries(dockerfiles)) {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "Dockerfile"), text);
  }
  await writeFile(join(folder, "stack.yml"), `provider: {name: openfaas}\nfunctions:\n${functions.join("")}`);
  await writeFile(join(folder, "payload-secret"), "remote secret");
  await writeFile(join(folder, "wrong-secret"), "another secret");
  const child = spawn(process.execPath, [main, "remote-build", ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code] = await once(child, "close");
  return { code, output };
}

const secret = ["--payload-secret", "payload-secret"];

test("the functions of a stack are built by the server and pushed", async () => {
  const args = ["--url", serving.address, ...secret, "--parallel", "2"];
  const dockerfile = (word: string) => `FROM busybox\nRUN echo ${word} | tr a-z A-Z\n`;
  const { code, output } = await remoteBuild({ one: dockerfile("first"), two: dockerfile("second") }, { args });
  expect(output).toMatch(/FIRST/);
  expect(output).toMatch(/SECOND/);
  expect(code).toBe(0);
  for (const name of ["one", "two"]) expect(output).toContain(await digestOf(`remote/${name}`, "1"));
});

test("a function that fails ends the command with 1, and stops no other", async () => {
  const env = { OPENFAAS_REMOTE_BUILDER: serving.address, OPENFAAS_PAYLOAD_SECRET: "payload-secret" };
  const { code, output } = await remoteBuild(
    { good: "FROM busybox\n", bad: "FROM busybox\nRUN echo reason && exit 3\n" },
    { env },
  );
  expect(code).toBe(1);
  expect(output).toMatch(/exit code 3/);
  expect(await digestOf("remote/good", "1")).toMatch(/^sha256:/);
});

test.for<[string, () => readonly string[], number, RegExp]>([
  [
    "a wrong payload secret",
    () => ["--url", serving.address, "--payload-secret", "wrong-secret"],
    1,
    /401.*does not fit/,
  ],
  ["no builder", () => secret, 2, /no builder is named/],
  [
    "a secret that is not there",
    () => ["--url", serving.address, "--payload-secret", "absent"],
    2,
    /payload secret "absent"/,
  ],
])("%s is told", async ([, args, expected, message]) => {
  const { code, output } = await remoteBuild({ refused: "FROM busybox\n" }, { args: args() });
  expect(output).toMatch(message);
  expect(code).toBe(expected);
});
