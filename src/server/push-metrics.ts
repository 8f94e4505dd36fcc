import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { DeliverySource } from "../model/known-delivery.ts";

/** How the whole installation does; every process tells the same, so take the maximum over them. */
export interface InstallationNumbers {
  readonly queued: number;
  readonly running: number;
  readonly oldestSeconds: number;
  readonly reportsWaiting: number;
  readonly quotas: readonly { readonly installation: string; readonly left: number }[];
}

/** What this process did; sum it over all of them. */
export interface PushMetrics {
  /** @param result `accepted`, `ignored`, `duplicate` or `refused` */
  delivery(event: string, result: string, way: DeliverySource): void;
  /** How the work on a function of a push ended. */
  function(name: string, result: string, seconds: number): void;
  firstShown(ms: number): void;
  endShown(ms: number): void;
  /** Asks for the figures of the installation, which are told until the next time. */
  refresh(): Promise<void>;
}

/** Names that strangers choose make a line each: of more than these all others share one. */
const maxFunctions = 500;
const maxEvents = 40;
const buildSeconds = [0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600];
const shownSeconds = [0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1800];

/** Adds the figures of pushes to a registry. */
export function addPushMetrics(registry: Registry, installation: () => Promise<InstallationNumbers>): PushMetrics {
  const registers = [registry];
  const deliveries = new Counter({
    name: "of_builder_deliveries_total",
    help: "GitHub's deliveries that this process took, by event, result and the way that they came by.",
    labelNames: ["event", "result", "way"],
    registers,
  });
  const functions = new Histogram({
    name: "of_builder_function_seconds",
    help: "Seconds that the work on a pushed function took in this process, by function and result.",
    labelNames: ["function", "result"],
    buckets: buildSeconds,
    registers,
  });
  const shown = (name: string, help: string) =>
    new Histogram({ name: `of_builder_${name}_seconds`, help, buckets: shownSeconds, registers });
  const first = shown("delivery_to_first_check", "Seconds from a push to what GitHub shows of it first.");
  const done = shown("delivery_to_done", "Seconds from a push to its end as GitHub shows it.");
  const eventName = boundedNames(maxEvents);
  const functionName = boundedNames(maxFunctions);
  return {
    delivery: (event, result, way) => deliveries.inc({ event: eventName(event), result, way }),
    function: (name, result, seconds) => functions.observe({ function: functionName(name), result }, seconds),
    firstShown: (ms) => first.observe(ms / 1000),
    endShown: (ms) => done.observe(ms / 1000),
    refresh: addGauges(registry, installation),
  };
}

/** @returns asks for their values; where the database is away they are not told at all */
function addGauges(registry: Registry, installation: () => Promise<InstallationNumbers>): () => Promise<void> {
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: readonly string[] = []) =>
    new Gauge({ name: `of_builder_${name}`, help, labelNames: [...labelNames], registers });
  const pushes = gauge("pushes", "Pushes of the installation that wait or are built.", ["state"]);
  const oldest = gauge("queue_age_seconds", "How long the push that waits longest has waited.");
  const reports = gauge("reports_waiting", "Reports that GitHub does not show yet.");
  const quota = gauge("github_quota_left", "Requests left of GitHub's hourly quota.", ["installation"]);
  const up = gauge("database_up", "1 while the database answers.");
  return async () => {
    for (const one of [pushes, oldest, reports, quota]) one.reset();
    try {
      const numbers = await installation();
      pushes.set({ state: "queued" }, numbers.queued);
      pushes.set({ state: "running" }, numbers.running);
      oldest.set(numbers.oldestSeconds);
      reports.set(numbers.reportsWaiting);
      for (const { installation: id, left } of numbers.quotas) quota.set({ installation: id }, left);
      up.set(1);
    } catch {
      up.set(0);
    }
  };
}

function boundedNames(max: number): (name: string) => string {
  const known = new Set<string>();
  return (name) => {
    if (known.size < max) known.add(name);
    return known.has(name) ? name : "other";
  };
}
