import { type ChildProcess, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";

const room = new URL("../../bin/run-node.js", import.meta.url).href;

/** Starts a Node that runs `script` in another Node in its place. In a session of its own there is no terminal. */
function start(script: string): ChildProcess {
  const inPlace = `
    import { runInPlace } from ${JSON.stringify(room)};
    process.exitCode = await runInPlace(process.execPath, ["-e", ${JSON.stringify(script)}, "a b", ""], process.env);`;
  return spawn(process.execPath, ["--input-type=module", "-e", inPlace], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
  });
}

function endOf(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
}

test.for([0, 1, 2, 77])("exit code %i comes through", async (code) => {
  expect(await endOf(start(`process.exit(${code})`))).toEqual({ code, signal: null });
});

test("arguments and standard streams come through", async () => {
  const child = start("process.stdin.on('data', (text) => console.log(String(text), process.argv.slice(1)))");
  child.stdin?.end("hello");
  expect(child.stdout && (await text(child.stdout))).toBe("hello [ 'a b', '' ]\n");
});

test("a death by a signal comes through as one", async () => {
  expect(await endOf(start("process.kill(process.pid, 'SIGKILL')"))).toEqual({ code: null, signal: "SIGKILL" });
});

test.for(["SIGTERM", "SIGHUP", "SIGINT"] as const)(
  "%s is passed on once, and its end is waited for",
  async (signal) => {
    const child = start(`
    let times = 0;
    process.on("${signal}", () => {
      times += 1;
      setTimeout(() => process.exit(40 + times), 300);
    });
    console.log("ready");
    setInterval(() => {}, 1000);`);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    child.kill(signal);
    expect(await endOf(child)).toEqual({ code: 41, signal: null });
  },
);

test("a task that there is not is answered with those that there are", async () => {
  const run = new URL("../../scripts/run.js", import.meta.url).pathname;
  const child = spawn(process.execPath, [run, "tset"], { stdio: ["ignore", "ignore", "pipe"] });
  const [printed, { code }] = await Promise.all([text(child.stderr), endOf(child)]);
  expect(printed).toMatch(/"tset" is no task: expected one of .*\btest\b/);
  expect(code).toBe(1);
});
