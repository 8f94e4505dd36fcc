import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, inject, test } from "vitest";
import { archive } from "../contexts/archives.ts";
import { createInstallation } from "./serving.ts";

const endless = "FROM busybox\nRUN while true; do echo running; sleep 1; done\n";

function bodyOf(name: string, dockerfile: string): Uint8Array<ArrayBuffer> {
  const config = `{"image":"${inject("registry")}/queue/${name}:1"}`;
  return new Uint8Array(
    archive({ name: "context/Dockerfile", body: dockerfile }, { name: "com.openfaas.docker.config", body: config }),
  );
}

test("a full server says so at /ready and with 429, and is free again when the client of its build hangs up", async () => {
  await using installation = await createInstallation({ max_inflight: "1", max_queue: "0" });
  const { address, logged } = await installation.start();
  const send = (body: Uint8Array<ArrayBuffer>, signal?: AbortSignal) =>
    fetch(`${address}/build`, {
      method: "POST",
      body,
      headers: { accept: "application/x-ndjson" },
      ...(signal && { signal }),
    });
  const ready = async () => {
    const answer = await fetch(`${address}/ready`);
    return { status: answer.status, ...((await answer.json()) as { parts: Record<string, string> }).parts };
  };
  expect(await ready()).toMatchObject({ status: 200, queue: "ok" });

  const stop = new AbortController();
  const running = await send(bodyOf("endless", endless), stop.signal);
  let text = "";
  const reader = running.body?.getReader();
  while (!text.includes("running")) text += Buffer.from((await reader?.read())?.value ?? []).toString();
  expect(await ready()).toMatchObject({ status: 503, queue: "as many builds wait as may", buildkit: "ok" });
  const refused = await send(bodyOf("small", "FROM busybox\n"));
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "30"]);

  stop.abort();
  await logged("the client has hung up");
  await expect.poll(ready).toMatchObject({ status: 200, queue: "ok" });
  const built = await (await send(bodyOf("small", "FROM busybox\n"))).text();
  expect(JSON.parse(built.trim().split("\n").at(-1) ?? "")).toMatchObject({ status: "success" });
});

/** A place where steps of builds wait for each other: all go on once so many are there. */
async function startMeeting(size: number): Promise<{ port: number } & Disposable> {
  const waiting: ServerResponse[] = [];
  const server = createServer((_request, response) => {
    waiting.push(response);
    if (waiting.length === size) for (const each of waiting) each.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.dispose]: () => void server.close().closeAllConnections() };
}

test("with max_inflight=0 any number of builds run at the same time, and none waits or is refused", async () => {
  const names = ["one", "two", "three", "four", "five", "six", "seven"];
  using meeting = await startMeeting(names.length);
  await using installation = await createInstallation({ max_inflight: "0", max_queue: "0" });
  const { address } = await installation.start();
  const build = async (name: string) => {
    const step = `RUN echo ${name} && wget -qO- http://127.0.0.1:${meeting.port}/`;
    const answer = await fetch(`${address}/build`, { method: "POST", body: bodyOf(name, `FROM busybox\n${step}\n`) });
    return ((await answer.json()) as { status: string }).status;
  };
  expect(await Promise.all(names.map(build))).toEqual(names.map(() => "success"));
});
