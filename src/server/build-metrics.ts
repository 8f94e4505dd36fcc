import { Gauge, Histogram, type Registry } from "prom-client";

/** How a request of POST /build ended; `gone`: its client has hung up. */
export type BuildResult = "success" | "failed" | "refused" | "gone";

/** What this process did for POST /build; sum it over all of them. */
export interface BuildMetrics {
  /** A request has come. @returns to be told how it ended */
  buildRequest(): (result: BuildResult) => void;
}

const seconds = [0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600];

/** Adds the figures of POST /build to a registry. */
export function addBuildMetrics(registry: Registry): BuildMetrics {
  const registers = [registry];
  const underWay = new Gauge({
    name: "of_builder_build_requests",
    help: "Requests of POST /build that are under way, those that wait for their turn included.",
    registers,
  });
  const took = new Histogram({
    name: "of_builder_build_request_seconds",
    help: "Seconds that requests of POST /build took, by result.",
    labelNames: ["result"],
    buckets: seconds,
    registers,
  });
  return {
    buildRequest() {
      underWay.inc();
      const end = took.startTimer();
      return (result) => {
        underWay.dec();
        end({ result });
      };
    },
  };
}
