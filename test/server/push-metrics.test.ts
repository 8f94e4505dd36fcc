import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { addPushMetrics, type InstallationNumbers } from "../../src/server/push-metrics.ts";

const numbers: InstallationNumbers = {
  queued: 3,
  running: 2,
  oldestSeconds: 12.5,
  reportsWaiting: 4,
  quotas: [{ installation: "7", left: 4990 }],
};

async function textOf(
  act: (metrics: ReturnType<typeof addPushMetrics>) => unknown,
  installation = async () => numbers,
) {
  const registry = new Registry();
  const metrics = addPushMetrics(registry, installation);
  await act(metrics);
  await metrics.refresh();
  return registry.metrics();
}

test("the figures of the installation are told as they are now", async () => {
  const text = await textOf(() => {});
  for (const line of [
    'of_builder_pushes{state="queued"} 3',
    'of_builder_pushes{state="running"} 2',
    "of_builder_queue_age_seconds 12.5",
    "of_builder_reports_waiting 4",
    'of_builder_github_quota_left{installation="7"} 4990',
    "of_builder_database_up 1",
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});

test("where the database is away its figures are left out, not told as they were", async () => {
  let isAway = false;
  const text = await textOf(
    async (metrics) => {
      await metrics.refresh();
      isAway = true;
    },
    async () => {
      if (isAway) throw new Error("away");
      return numbers;
    },
  );
  expect(text).toContain("of_builder_database_up 0");
  expect(text).not.toMatch(/of_builder_pushes\{|quota_left\{/);
});

test("deliveries, functions and times are counted", async () => {
  const text = await textOf((metrics) => {
    metrics.delivery("push", "accepted", "webhook");
    metrics.delivery("push", "accepted", "webhook");
    metrics.function("hello", "built", 3);
    metrics.firstShown(900);
    metrics.endShown(4000);
  });
  for (const line of [
    'of_builder_deliveries_total{event="push",result="accepted",way="webhook"} 2',
    'of_builder_function_seconds_sum{function="hello",result="built"} 3',
    'of_builder_delivery_to_first_check_seconds_bucket{le="1"} 1',
    'of_builder_delivery_to_done_seconds_bucket{le="3"} 0',
    'of_builder_delivery_to_done_seconds_bucket{le="5"} 1',
  ]) {
    expect(text.split("\n")).toContain(line);
  }
});

test("strangers who name functions and events do not fill the memory", async () => {
  const text = await textOf((metrics) => {
    for (let at = 0; at < 5000; at += 1) {
      metrics.function(`fn-${at}`, "built", 1);
      metrics.delivery(`event-${at}`, "ignored", "sweep");
    }
  });
  expect(text.match(/^of_builder_function_seconds_sum/gm)).toHaveLength(501);
  expect(text).toContain('of_builder_function_seconds_sum{function="other",result="built"} 4500');
  expect(text.match(/^of_builder_deliveries_total/gm)).toHaveLength(41);
});
