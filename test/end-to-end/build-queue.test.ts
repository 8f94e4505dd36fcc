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
