import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Program, startChild } from "../../src/parts/child.ts";
import { isRunning, makeFolder, processesWith, until } from "./scratch.ts";

const patience = { limitMs: 60_000, signal: AbortSignal.timeout(60_000) };

function shell(folder: string, script: string): Program {
  return { name: "a shell", command: "/bin/sh", args: ["-c", script], folder, logFile: join(folder, "log") };
}

test("a program is started once it answers, and stopped with everything that it started", async () => {
  await using scratch = await makeFolder();
  const { folder } = scratch;
  const ready = join(folder, "ready");
  const script = `sh -c 'echo $$ >"${folder}/inner"; exec sleep 1000' & while [ ! -s "${folder}/inner" ]; do :; done; echo up; touch "${ready}"; wait`;
  const child = await startChild(shell(folder, script), { ...patience, answers: async () => existsSync(ready) });
  const inner = Number(await readFile(join(folder, "inner"), "utf8"));
  expect([isRunning(child.pid), isRunning(inner)]).toEqual([true, true]);
  await Promise.all([child.stop(), child.stop()]);
  expect([isRunning(child.pid), isRunning(inner)]).toEqual([false, false]);
  expect(await child.ended).toBe("signal SIGTERM");
  expect(await readFile(join(folder, "log"), "utf8")).toBe("up\n");
});

test("a program that ends before it answers is told of with the last lines of its log", async () => {
  await using scratch = await makeFolder();
  const program = shell(scratch.folder, "seq 1 100; echo 'no such option' >&2; exit 3");
  const error = {
    code: "tool_missing",
    message: expect.stringMatching(/exit code 3.*\n.*\n99\n100\nno such option$/s),
  };
  await expect(startChild(program, { ...patience, answers: async () => false })).rejects.toMatchObject(error);
});

test("a program that never answers is told of, and does not stay", async () => {
  await using scratch = await makeFolder();
  const program = shell(scratch.folder, `echo waiting; : ${scratch.folder}; sleep 1000`);
  const answers = () => Promise.reject(new Error("nobody there"));
  const error = { code: "tool_missing", message: expect.stringContaining("did not answer within 0.3 s") };
  await expect(startChild(program, { ...patience, limitMs: 300, answers })).rejects.toMatchObject(error);
  await until(async () => (await processesWith(scratch.folder)).length === 0);
});

test("a start that is aborted ends with the caller's reason and leaves nothing", async () => {
  await using scratch = await makeFolder();
  const controller = new AbortController();
  const reason = new Error("enough");
  const answers = async () => {
    controller.abort(reason);
    return false;
  };
  const program = shell(scratch.folder, `: ${scratch.folder}; sleep 1000`);
  const started = startChild(program, { limitMs: 60_000, signal: controller.signal, answers });
  await expect(started).rejects.toBe(reason);
  await until(async () => (await processesWith(scratch.folder)).length === 0);
});

test("a program that is not there is told of", async () => {
  await using scratch = await makeFolder();
  const program = { ...shell(scratch.folder, ""), command: join(scratch.folder, "none") };
  const error = { code: "tool_missing", message: expect.stringContaining("ENOENT") };
  await expect(startChild(program, { ...patience, answers: async () => true })).rejects.toMatchObject(error);
});

test("a program that does not end when asked is killed", async () => {
  await using scratch = await makeFolder();
  const ready = join(scratch.folder, "ready");
  const program = shell(scratch.folder, `trap '' TERM; touch "${ready}"; while :; do sleep 1; done`);
  const answers = async () => existsSync(ready);
  const child = await startChild({ ...program, stopLimitMs: 100 }, { ...patience, answers });
  await child.stop();
  expect(await child.ended).toBe("signal SIGKILL");
});

test("a log that has grown large begins anew", async () => {
  await using scratch = await makeFolder();
  const program = shell(scratch.folder, "sleep 1000");
  await writeFile(program.logFile, Buffer.alloc(17 * 1024 * 1024));
  await using _child = await startChild(program, { ...patience, answers: async () => true });
  expect((await stat(program.logFile)).size).toBe(0);
});

test.for(["SIGKILL", "SIGINT", "SIGTERM"] as const)(
  "when the process that started it ends by %s, the program ends too",
  async (signal) => {
    await using scratch = await makeFolder();
    const program = shell(scratch.folder, `: ${scratch.folder}; sleep 1000`);
    const room = new URL("../../src/parts/child.ts", import.meta.url);
    const script = `
      import { startChild } from ${JSON.stringify(room.href)};
      const options = { answers: async () => true, limitMs: 60000, signal: new AbortController().signal };
      const { pid } = await startChild(${JSON.stringify(program)}, options);
      console.log(pid);`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const pid = Number(String(await new Promise((resolve) => owner.stdout.once("data", resolve))));
    expect(isRunning(pid)).toBe(true);
    owner.kill(signal);
    await until(() => !isRunning(pid));
    await until(async () => (await processesWith(scratch.folder)).length === 0);
  },
);
