import type { RequestHandler } from "express";
import { Counter, Gauge, Registry } from "prom-client";
import { addBuildMetrics, type BuildMetrics } from "./build-metrics.ts";
import { addPushMetrics, type InstallationNumbers, type PushMetrics } from "./push-metrics.ts";

/** What is measured of BuildKit: how its daemons do at the moment. */
export interface BuildkitNumbers {
  /** Builds that wait for a place. */
  readonly waiting: number;
  readonly daemons: readonly {
    readonly address: string;
    readonly isHealthy: boolean;
    readonly running: number;
    readonly slots: number;
    /** Builds that ended well since the start. */
    readonly built: number;
    /** Builds that it was lost under. */
    readonly failures: number;
  }[];
}

type Daemon = BuildkitNumbers["daemons"][number];

export interface Metrics extends PushMetrics, BuildMetrics {
  /** Serves `GET /metrics`: Prometheus's text format. */
  readonly serve: RequestHandler;
}

/** Creates the figures of a process; those of BuildKit and of the installation are asked for at each request. */
export function createMetrics({
  buildkit,
  installation,
}: {
  buildkit: () => BuildkitNumbers;
  installation: () => Promise<InstallationNumbers>;
}): Metrics {
  const registry = new Registry();
  const pushes = addPushMetrics(registry, installation);
  const builds = addBuildMetrics(registry);
  const registers = [registry];
  new Gauge({
    name: "of_builder_buildkit_waiting",
    help: "Builds that wait for a place on a BuildKit daemon.",
    registers,
    collect() {
      this.set(buildkit().waiting);
    },
  });
  const ofEach = (kind: typeof Gauge | typeof Counter, { name, help, value }: DaemonMetric) =>
    new kind({
      name: `of_builder_buildkit_${name}`,
      help,
      labelNames: ["daemon"],
      registers,
      collect() {
        // Daemons that are gone leave no line behind.
        this.reset();
        for (const daemon of buildkit().daemons) this.inc({ daemon: daemon.address }, value(daemon));
      },
    });
  for (const gauge of gauges) ofEach(Gauge, gauge);
  for (const counter of counters) ofEach(Counter, counter);
  return {
    ...pushes,
    ...builds,
    async serve(_request, response) {
      await pushes.refresh();
      response.set("Content-Type", registry.contentType).send(await registry.metrics());
    },
  };
}

interface DaemonMetric {
  readonly name: string;
  readonly help: string;
  value(daemon: Daemon): number;
}

const gauges: readonly DaemonMetric[] = [
  {
    name: "healthy",
    help: "1 while a BuildKit daemon answers.",
    value: ({ isHealthy }) => (isHealthy ? 1 : 0),
  },
  { name: "running", help: "Builds that run on a BuildKit daemon.", value: ({ running }) => running },
  { name: "slots", help: "Builds that may run on a BuildKit daemon at once.", value: ({ slots }) => slots },
];

const counters: readonly DaemonMetric[] = [
  { name: "builds_total", help: "Builds that ended well on a BuildKit daemon.", value: ({ built }) => built },
  { name: "lost_total", help: "Builds that a BuildKit daemon was lost under.", value: ({ failures }) => failures },
];
