import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createCredentials } from "../../src/registry/credentials.ts";

let folder: string;
const path = process.env.PATH;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "of-builder-credentials-"));
});

afterEach(async () => {
  process.env.PATH = path;
  await rm(folder, { recursive: true });
});

async function writeConfig(config: unknown): Promise<void> {
  await writeFile(join(folder, "config.json"), typeof config === "string" ? config : JSON.stringify(config));
}

async function writeHelper(name: string, script: string): Promise<void> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, `docker-credential-${name}`), 0o755);
  process.env.PATH = `${bin}${delimiter}${path}`;
}

const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });
const alice = { username: "alice", password: "pass" };

test.for([
  ["a host", { "reg.example.com": auth("alice:pass") }, "reg.example.com", alice],
  ["a host with its port", { "reg:5000": auth("alice:pass") }, "reg:5000", alice],
  ["a URL", { "https://reg.example.com/v2/": auth("alice:pass") }, "reg.example.com", alice],
  ["other letters", { "Reg.Example.com": auth("alice:pass") }, "reg.example.com", alice],
  ["Docker Hub's key", { "https://index.docker.io/v1/": auth("alice:pass") }, "registry-1.docker.io", alice],
  ["Docker Hub's name", { "docker.io": auth("alice:pass") }, "registry-1.docker.io", alice],
  ["two fields", { reg: { username: "alice", password: "pass" } }, "reg", alice],
  ["a colon in the password", { reg: auth("alice:a:b") }, "reg", { username: "alice", password: "a:b" }],
  ["NULs at the end", { reg: auth("alice:pass\0\0") }, "reg", alice],
  ["an identity token", { reg: { ...auth("alice:"), identitytoken: "tok" } }, "reg", { username: "", password: "tok" }],
  ["another port", { "reg:5000": auth("alice:pass") }, "reg:5001", undefined],
  ["a longer host", { "reg.example.com": auth("alice:pass") }, "reg.example.com.evil.org", undefined],
  ["an empty entry", { reg: {} }, "reg", undefined],
  ["an entry that is no object", { reg: "x" }, "reg", undefined],
  ["no colon", { reg: auth("alice") }, "reg", undefined],
  ["__proto__", JSON.parse('{"__proto__": {"auth": "YTpi"}}'), "reg", undefined],
] as const)("credentials are stored under %s", async ([, auths, host, expected]) => {
  await writeConfig({ auths });
  expect(await createCredentials({ folder })(host)).toEqual(expected);
});

test("no folder and no file mean no credentials", async () => {
  expect(await createCredentials({ folder })("reg")).toBeUndefined();
  expect(await createCredentials({ folder: join(folder, "none") })("reg")).toBeUndefined();
});

test("a file that changes is read again, also when it is replaced as Kubernetes does", async () => {
  const credentials = createCredentials({ folder });
  expect(await credentials("reg")).toBeUndefined();
  await writeConfig({ auths: { reg: auth("alice:pass") } });
  expect(await credentials("reg")).toEqual(alice);
  await writeFile(join(folder, "next"), JSON.stringify({ auths: { reg: auth("alice:next") } }));
  await rename(join(folder, "next"), join(folder, "config.json"));
  expect(await credentials("reg")).toEqual({ username: "alice", password: "next" });
  await rm(join(folder, "config.json"));
  expect(await credentials("reg")).toBeUndefined();
});

test.for(['{"auths": {"reg": {"auth": "c2VjcmV0OnNlY3JldA==" ', "[]", "null", '{"auths": []}'])(
  "K2 a broken file is named, and nothing of its text is: %s",
  async (text) => {
    await writeConfig(text);
    const error = await createCredentials({ folder })("reg").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "setting_invalid", message: expect.stringContaining("config.json") });
    expect(String(error)).not.toContain("c2VjcmV0");
  },
);

test("a helper is asked for its host, before the file", async () => {
  await writeHelper("test", `printf '{"Username": "alice", "Secret": "%s %s"}' "$1" "$(cat)"`);
  await writeConfig({ auths: { reg: auth("bob:old") }, credHelpers: { reg: "test" } });
  expect(await createCredentials({ folder })("reg")).toEqual({ username: "alice", password: "get reg" });
});

test("a store is asked for every host, for Docker Hub by its key", async () => {
  await writeHelper("test", `printf '{"Username": "<token>", "Secret": "%s"}' "$(cat)"`);
  await writeConfig({ credsStore: "test" });
  const expected = { username: "", password: "https://index.docker.io/v1/" };
  expect(await createCredentials({ folder })("registry-1.docker.io")).toEqual(expected);
});

test("a helper that knows nothing leaves it to the file", async () => {
  await writeHelper("test", "echo 'credentials not found in native keychain'; exit 1");
  await writeConfig({ auths: { reg: auth("alice:pass") }, credsStore: "test" });
  expect(await createCredentials({ folder })("reg")).toEqual(alice);
});

test.for([
  ["fails", "exit 3", "ended with 3"],
  ["prints something else", "echo hello", "helper"],
  ["leaves the secret out", `echo '{"Username": "x"}'`, "no Secret"],
])("a helper that %s is named", async ([, script = "", words]) => {
  await writeHelper("test", script);
  await writeConfig({ credsStore: "test" });
  const error = { code: "setting_invalid", message: expect.stringContaining(words ?? "") };
  await expect(createCredentials({ folder })("reg")).rejects.toMatchObject(error);
});

test("a helper that is late is killed with what it has started, and not waited for", async () => {
  const alive = join(folder, "alive");
  execFileSync("mkfifo", [alive]);
  // A process of the helper's holds the output open; a pipe at whose end it writes ends only with it.
  await writeHelper("test", `exec 3>"${alive}"; sleep 1000 & wait`);
  await writeConfig({ credsStore: "test" });
  const ended = readFile(alive);
  await expect(createCredentials({ folder, helperLimitMs: 1000 })("reg")).rejects.toMatchObject({
    code: "setting_invalid",
    message: expect.stringContaining("not done within 1 s"),
  });
  expect(await ended).toEqual(Buffer.alloc(0));
});

test("an output that stays open after the helper is not waited for", async () => {
  await writeHelper("test", "setsid sleep 5 & exit 0");
  await writeConfig({ credsStore: "test" });
  const error = { code: "setting_invalid", message: expect.stringContaining("not done within") };
  await expect(createCredentials({ folder, helperLimitMs: 200 })("reg")).rejects.toMatchObject(error);
});

test.for(["../evil", "-x", "a b", "absent"])("a helper %j is not started", async (name) => {
  await writeConfig({ credsStore: name });
  await expect(createCredentials({ folder })("reg")).rejects.toMatchObject({ code: "setting_invalid" });
});
