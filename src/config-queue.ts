import { setting } from "./config-setting.ts";
import { count, duration, durationOrMs, flag, optional, portNumber } from "./config-values.ts";

/** The settings of the queue that pushes wait in. */
export const queueSettings = {
  supersedeRunning: setting(["supersede_running"], {
    fallback: "true",
    parse: flag,
    help: "Whether a newer push cancels what runs of the older ones of its branch; what only waits is superseded in any case.",
  }),
  maxSuperseded: setting(["max_superseded"], {
    fallback: "3",
    parse: count,
    help: "So many runs of a branch are cancelled by newer pushes one after the other; the next one may finish.",
  }),
  ownerConcurrency: setting(["owner_concurrency"], {
    fallback: "0",
    parse: count,
    help: "Functions of one owner that are built at once by all servers and workers together; 0 = no limit.",
  }),
  stepTimeLimitMs: setting(["step_time_limit"], {
    fallback: "15m",
    parse: duration,
    help: "Longest time of what comes before the builds of a push, such as fetching its commit and reading its stack; 0 = no limit.",
  }),
  worker: setting(["worker"], {
    fallback: "true",
    parse: flag,
    help: "Whether serve also builds the pushes that it takes; false: of-builder worker does, which needs DATABASE_URL.",
  }),
  workerPort: setting(["worker_port"], {
    fallback: "",
    parse: optional(portNumber),
    help: "Port on which of-builder worker serves /healthz, /ready and /metrics; 0 = any free one, not set: none.",
  }),
  drainMs: setting(["drain_limit", "drain_ms"], {
    fallback: "30s",
    parse: durationOrMs,
    help: "How long a stopping process waits for running builds; what is left goes on elsewhere, or at the next start. A plain number counts milliseconds.",
  }),
} as const;
