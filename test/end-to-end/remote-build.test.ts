import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
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
  {
    args = [],
    env = {},
    secrets = {},
  }: {
    args?: readonly string[];
    env?: Readonly<Record<string, string>>;
    /** Files of build secrets by id. */
    secrets?: Readonly<Record<string, string>>;
  } = {},
): Promise<{ code: number; output: string }> {
  const folder = join(installation.folder, `stack-${Object.keys(dockerfiles).join("-")}`);
  const functions = Object.keys(dockerfiles).map(
    (name) =>
      `  ${name}: {lang: dockerfile, handler: ./${name}, image: "${inject("registry")}/remote/${name}:1", build_secrets: ${JSON.stringify(secrets)}}\n`,
  );
  for (const [name, text] of Object.entries(dockerfiles)) {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "Dockerfile"), text);
  }
  await writeFile(join(folder, "stack.yml"), `provider: {name: openfaas}\nfunctions:\n${functions.join("")}`);
  await writeFile(join(folder, "token-file"), "t0p-secret");
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

/** Passes where the secret is what it has to be; its value is not in the command, and no other test has it cached. */
const needsToken = (name: string) => ({
  [name]: `FROM busybox
RUN --mount=type=secret,id=token,required=true grep -q ^t0p- /run/secrets/token && echo ${name} got it
`,
});

test("build secrets are sealed for the key that the server tells, or that is named", async () => {
  const keyFile = join(installation.folder, "secrets", "build-secrets-key");
  const args = ["--url", serving.address, ...secret, "--secret", "id=token,env=TOKEN"];
  const env = { TOKEN: "t0p-secret" };
  const without = await remoteBuild(needsToken("keyless"), { args, env });
  expect(without.output).toContain("this server has no key for build secrets");
  expect(without.code).toBe(1);

  await promisify(execFile)(process.execPath, [main, "keygen", "-o", keyFile]);
  const asked = await remoteBuild(needsToken("sealed"), { args, env });
  expect(asked.output).toMatch(/got it/);
  expect(asked.output).not.toContain(env.TOKEN);
  expect(asked.code).toBe(0);
  expect(JSON.stringify(serving.log)).not.toContain(env.TOKEN);

  const named = [...args, "--builder-public-key", `${keyFile}.pub`];
  expect((await remoteBuild(needsToken("named"), { args: named, env })).code).toBe(0);
  const other = join(installation.folder, "other-key");
  await promisify(execFile)(process.execPath, [main, "keygen", "-o", other]);
  const wrong = await remoteBuild(needsToken("wrong"), {
    args,
    env: { ...env, OPENFAAS_BUILDER_PUBLIC_KEY: await readFile(`${other}.pub`, "utf8") },
  });
  expect(wrong.output).toContain("names no key of this server");
  expect(wrong.code).toBe(1);
});

test("files of build_secrets in the stack are sealed, too", async () => {
  const args = ["--url", serving.address, ...secret];
  const secrets = { token: "token-file" };
  expect((await remoteBuild(needsToken("stacked"), { args, secrets })).code).toBe(0);
  const missing = await remoteBuild(needsToken("missing"), { args, secrets: { token: "absent" } });
  expect(missing.output).toContain('build secret "token"');
  expect(missing.code).not.toBe(0);
});

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

test.for(["digest", "timestamp"])(
  "where replay_protection is %s the same function is built again and again",
  async (protection) => {
    await using guarded = await createInstallation({ replay_protection: protection });
    await writeFile(join(guarded.folder, "secrets", "payload-secret"), "remote secret");
    const { address } = await guarded.start();
    for (const more of [[], [], ["--stamp"]]) {
      const args = ["--url", address, ...secret, ...more];
      const { code, output } = await remoteBuild({ again: "FROM busybox\n" }, { args });
      expect([code, output]).toEqual([0, expect.stringContaining("again")]);
    }
  },
);
