import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { expect, inject, test } from "vitest";
import { startFaultyProxy } from "../buildkit/faulty-proxy.ts";
import { archive } from "../contexts/archives.ts";
import { createInstallation, leftBodies, type Serving } from "./serving.ts";

/*
 * A client takes a stream without a last record for a success: whatever ends a build in its middle, there is exactly one
 * record that says so.
 */
const body = new Uint8Array(
  archive(
    { name: "context/Dockerfile", body: "FROM busybox\nRUN while true; do echo running; sleep 1; done\n" },
    { name: "com.openfaas.docker.config", body: `{"image":"${inject("registry")}/endings/x:1"}` },
  ),
);

interface Ending {
  readonly settings?: () => Promise<Readonly<Record<string, string>>>;
  /** Ends the build that runs. */
  strike(serving: Serving): Promise<unknown>;
  readonly error: RegExp;
}

let proxy: Awaited<ReturnType<typeof startFaultyProxy>>;
const throughProxy = async () => {
  proxy = await startFaultyProxy();
  return { BUILDKIT_HOST: proxy.address };
};

const endings: Readonly<Record<string, Ending>> = {
  "a daemon that dies": {
    settings: throughProxy,
    strike: async () => proxy.fail("cut"),
    error: /^BuildKit at "tcp:.*" does not answer/,
  },
  "a daemon that closes its connections": {
    settings: throughProxy,
    strike: async () => proxy.fail("end"),
    error: /BuildKit/,
  },
  "the time limit of a build": {
    settings: async () => ({ build_time_limit_ms: "4000" }),
    strike: async () => undefined,
    error: /^the build took longer than 4 s/,
  },
  "a server that is told to stop": {
    settings: async () => ({ drain_ms: "100" }),
    strike: (serving) => serving.end("SIGTERM"),
    error: /^of-builder is stopping$/,
  },
};

interface StreamRecord {
  readonly status: string;
  readonly error?: string;
}

/** Sends the endless build; gives all that has come of its stream, each time that there is more. */
async function* textsOf({ address }: Serving, accept = "application/x-ndjson"): AsyncGenerator<string> {
  const headers = { accept };
  const response = await fetch(`${address}/build`, { method: "POST", headers, body });
  expect(response.status).toBe(200);
  let text = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    yield text;
  }
}

/** Strikes as soon as the endless build prints something, and gives all records of its stream. */
async function recordsUntil(
  strike: Ending["strike"],
  serving: Serving,
  accept?: string,
): Promise<readonly StreamRecord[]> {
  let all = "";
  let struck: Promise<unknown> | undefined;
  for await (const text of textsOf(serving, accept)) {
    all = text;
    if (text.includes("running")) struck ??= strike(serving);
  }
  await struck;
  expect(all.endsWith("\n")).toBe(true);
  const lines = all.split("\n").map((line) => line.replace(/^data: /, ""));
  return lines.filter((line) => line !== "" && line !== "event: end").map((line) => JSON.parse(line));
}

test.for(Object.entries(endings))("%s in the middle of a stream ends it with one failed record", async ([, ending]) => {
  await using installation = await createInstallation(await ending.settings?.());
  const records = await recordsUntil(ending.strike, await installation.start());
  const last = records.filter(({ status }) => status !== "in_progress");
  expect(last).toMatchObject([{ status: "failed", error: expect.stringMatching(ending.error) }]);
  expect(records.at(-1)).toBe(last[0]);
  await expect.poll(() => leftBodies(installation), { timeout: 20_000 }).toEqual([]);
});

test("a stream of events ends with one failed record, too, when the server is told to stop", async () => {
  await using installation = await createInstallation({ drain_ms: "100" });
  const stop = (serving: Serving) => serving.end("SIGTERM");
  const records = await recordsUntil(stop, await installation.start(), "text/event-stream");
  expect(records.length).toBeGreaterThan(1);
  const last = records.filter(({ status }) => status !== "in_progress");
  expect(last).toMatchObject([{ status: "failed", error: "of-builder is stopping" }]);
  expect(records.at(-1)).toBe(last[0]);
});

test("a server that is told twice to stop leaves at once, and still ends a stream with one failed record", async () => {
  await using installation = await createInstallation({ drain_limit: "10m" });
  const serving = await installation.start();
  const strike = async () => {
    serving.process.kill("SIGTERM");
    await serving.logged("stopping: no new work is taken");
    // What comes so soon after the first signal counts as the same.
    await setTimeout(600);
    expect(await serving.end("SIGTERM")).toBe(1);
  };
  const records = await recordsUntil(strike, serving);
  const last = records.filter(({ status }) => status !== "in_progress");
  expect(last).toMatchObject([{ status: "failed", error: "of-builder is stopping" }]);
});

test("a server that is killed in the middle of a stream leaves half a record, and no word of success", async () => {
  await using installation = await createInstallation();
  const serving = await installation.start();
  let all = "";
  let killed: Promise<unknown> | undefined;
  const readAll = async () => {
    for await (const text of textsOf(serving)) {
      all = text;
      if (text.includes("running")) killed ??= serving.end("SIGKILL");
    }
  };
  // Whoever looks at more than lines hears of it by the connection.
  await expect(readAll()).rejects.toThrow();
  await killed;
  const lines = all.split("\n");
  expect(lines.pop()).toBe("{");
  for (const line of lines) expect(JSON.parse(line)).toMatchObject({ status: "in_progress" });
  // The next start sweeps up after it.
  expect(await leftBodies(installation)).toHaveLength(1);
  await installation.start();
  await expect.poll(() => leftBodies(installation), { timeout: 20_000 }).toEqual([]);
});

test("a request that reaches a server while it stops is told when to come again, and what runs may go on", async () => {
  await using installation = await createInstallation({ drain_limit: "10m" });
  const serving = await installation.start();
  const { hostname, port } = new URL(serving.address);
  const late = connect(Number(port), hostname);
  await once(late, "connect");
  // A connection on which a request has begun is not closed as an idle one is.
  late.write("POST /build HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
  const running = textsOf(serving);
  while (!(await running.next()).value?.includes("running"));
  const exit = once(serving.process, "exit");
  serving.process.kill("SIGTERM");
  await serving.logged("stopping: no new work is taken");
  late.write(`Content-Length: ${body.length}\r\n\r\n`);
  late.write(body);
  const answer = (await late.setEncoding("utf8").toArray()).join("");
  expect(answer).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\nRetry-After: 30\r\n/);
  expect(answer).toContain('"status":"unexpected failure: of-builder is stopping"');
  expect(await running.next()).toMatchObject({ done: false });
  await running.return(undefined);
  expect(await exit).toEqual([0, null]);
  expect(await leftBodies(installation)).toEqual([]);
});
