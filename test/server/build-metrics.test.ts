import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { addBuildMetrics } from "../../src/server/build-metrics.ts";
import { archive, type Member } from "../contexts/archives.ts";
import { begin, post, serveBuilds } from "./build-requests.ts";

const config: Member = { name: "com.openfaas.docker.config", body: '{"image":"r/Fn:1"}' };
const dockerfile: Member = { name: "context/Dockerfile", body: "FROM busybox" };
const body = archive(dockerfile, config);

test("requests of POST /build are counted while they are under way, and how they ended", async () => {
  const registry = new Registry();
  const metrics = addBuildMetrics(registry);
  const during: string[] = [];
  await using server = await serveBuilds({
    metrics,
    async build({ image }) {
      during.push(await registry.metrics());
      if (image !== "r/fn:1") throw new BuilderError("build_failed", "no");
    },
  });
  await post(server, body);
  await post(server, archive(dockerfile, { ...config, body: '{"image":"r/other"}' }));
  await post(server, Buffer.from("no archive"));
  const { request } = begin(server, { "content-length": body.length });
  request.on("error", () => {});
  request.write(body.subarray(0, 600));
  await expect.poll(() => registry.metrics()).toMatch(/^of_builder_build_requests 1$/m);
  request.destroy();
  await expect.poll(() => registry.metrics()).toMatch(/^of_builder_build_requests 0$/m);
  expect(during.map((text) => /^of_builder_build_requests (\d)$/m.exec(text)?.[1])).toEqual(["1", "1"]);
  const counts = [...(await registry.metrics()).matchAll(/_seconds_count\{result="(\w+)"\} (\d+)/g)];
  expect(Object.fromEntries(counts.map(([, result, count]) => [result, count]))).toEqual({
    ...{ success: "1", failed: "1", refused: "1", gone: "1" },
  });
});
