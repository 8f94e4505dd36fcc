import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { createBuilder } from "of-builder";
import { afterAll, expect, inject, test } from "vitest";
import { createScratch } from "../database/scratch.ts";
import { createInstallation, owner, stackOf } from "./serving.ts";

const command = join(import.meta.dirname, "../../bin/of-builder.js");
const parts = new AsyncDisposableStack();
const { path: scratch } = parts.use(await createScratch());
const way = parts.use(await startCountingWay(inject("buildkit")));
afterAll(() => parts.disposeAsync());

/** A way to a daemon's unix socket that counts what goes there. */
async function startCountingWay(daemon: string) {
  let sent = 0;
  const server = createServer((socket) => {
    const onward = connect(daemon.replace(/^unix:\/\//, ""));
    socket.on("data", ({ length }) => {
      sent += length;
    });
    socket.pipe(onward).pipe(socket);
    socket.on("error", () => onward.destroy());
    onward.on("error", () => socket.destroy());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Bytes that went there while something was done. */
    async during(work: () => Promise<unknown>): Promise<number> {
      const before = sent;
      await work();
      return sent - before;
    },
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

const large = 3_000_000;
const little = 300_000;
/** Files of one time, as those of a checkout are. */
const time = new Date("2026-01-01T00:00:00Z");

async function writeFiles(folder: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
    await utimes(join(folder, path), time, time);
  }
}

const dockerfile = "FROM busybox\nCOPY . /c\nRUN cat /c/word\n";

async function buildByLibrary(folder: string): Promise<string> {
  using builder = createBuilder({ buildkit: way.address });
  const printed: string[] = [];
  await builder.build(
    { context: folder, image: "uploads/library", push: false },
    { onEvent: (event) => event.kind === "log" && printed.push(event.text) },
  );
  return printed.join("");
}

async function buildByCommand(folder: string): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: scratch, data_path: join(scratch, "data"), BUILDKIT_HOST: way.address };
  return (await promisify(execFile)(process.execPath, [command, "build"], { cwd: folder, env })).stdout;
}

test("a Node program that builds a folder again sends what has changed in it", async () => {
  const folder = join(scratch, "library");
  await writeFiles(folder, { Dockerfile: dockerfile, large: randomBytes(large), word: "word one" });
  expect(await way.during(() => buildByLibrary(folder))).toBeGreaterThan(large);
  await writeFile(join(folder, "word"), "word two");
  expect(
    await way.during(async () => {
      expect(await buildByLibrary(folder)).toContain("word two");
    }),
  ).toBeLessThan(little);
});

test("another folder at the same path is not taken for the one before, though sizes and times are the same", async () => {
  const folder = join(scratch, "twice");
  const files = (word: string) => ({ Dockerfile: dockerfile, word });
  for (const word of ["word ten", "word six"]) {
    await writeFiles(folder, files(word));
    expect(await buildByLibrary(folder)).toContain(word);
    await rm(folder, { recursive: true });
  }
});

test("of-builder build sends what has changed, and a handler's files for those of no other one", async () => {
  const folder = join(scratch, "command");
  const stack = (handler: string) => ({
    "stack.yml": `provider: {name: openfaas}\nfunctions:\n  one: {lang: dockerfile, handler: ./${handler}, image: uploads/one}\n`,
  });
  const handler = (name: string, word: string) => ({ [`${name}/Dockerfile`]: dockerfile, [`${name}/word`]: word });
  await writeFiles(folder, { ...stack("a"), ...handler("a", "word of a"), "a/large": randomBytes(large) });
  await writeFiles(folder, handler("b", "word of b"));
  expect(await way.during(() => buildByCommand(folder))).toBeGreaterThan(large);
  await writeFile(join(folder, "a/word"), "changed a");
  expect(
    await way.during(async () => {
      expect(await buildByCommand(folder)).toContain("changed a");
    }),
  ).toBeLessThan(little);
  await writeFiles(folder, { "a/word": "word of a" });
  await buildByCommand(folder);
  await writeFiles(folder, stack("b"));
  expect(await buildByCommand(folder)).toContain("word of b");
});

test("the second push of a repository sends what it has changed", async () => {
  await using installation = await createInstallation({ github_app_id: "", BUILDKIT_HOST: way.address });
  const { github } = installation;
  const serving = await installation.start();
  const build = async (sha: string) => {
    await installation.push(serving, { name: "uploads", sha, branch: "main" });
    await serving.logged(
      "push ended",
      ({ commit, state }) => commit === `${owner}/uploads@${sha.slice(0, 7)}` && state === "success",
    );
  };
  const files = {
    ...stackOf({ one: dockerfile }),
    "one/word": "word one",
    "one/large": randomBytes(large / 2).toString("hex"),
  };
  const { sha } = await github.createRepository(owner, "uploads", { files, branch: "main" });
  expect(await way.during(() => build(sha))).toBeGreaterThan(large);
  const changed = { files: { "one/word": "word two" }, branch: "main", message: "change" };
  const next = await github.commit(owner, "uploads", changed);
  expect(await way.during(() => build(next))).toBeLessThan(little);
});
