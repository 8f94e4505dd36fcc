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

/** Sends the endless build, strikes as soon as it prints something, and gives all records. */
async function recordsUntil(strike: Ending["strike"], serving: Serving): Promise<readonly StreamRecord[]> {
  const headers = { accept: "application/x-ndjson" };
  const response = await fetch(`${serving.address}/build`, { method: "POST", headers, body });
  expect(response.status).toBe(200);
  let text = "";
  let struck: Promise<unknown> | undefined;
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.includes("running")) struck ??= strike(serving);
  }
  await struck;
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test.for(Object.entries(endings))("%s in the middle of a stream ends it with one failed record", async ([, ending]) => {
  await using installation = await createInstallation(await ending.settings?.());
  const records = await recordsUntil(ending.strike, await installation.start());
  const last = records.filter(({ status }) => status !== "in_progress");
  expect(last).toMatchObject([{ status: "failed", error: expect.stringMatching(ending.error) }]);
  expect(records.at(-1)).toBe(last[0]);
  await expect.poll(() => leftBodies(installation), { timeout: 20_000 }).toEqual([]);
});
