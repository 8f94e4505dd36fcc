import { setting } from "./config-setting.ts";
import { count, flag, oneOf } from "./config-values.ts";

/** The settings that bound and shape the builds of a server. */
export const buildSettings = {
  frontends: setting(["enable_frontends"], {
    fallback: "false",
    parse: flag,
    help: "Whether # syntax= in a Dockerfile of a push or of POST /build counts: it names an image that then runs the build. BuildKit's own frontend builds them otherwise.",
  }),
  buildTimeLimitMs: setting(["build_time_limit_ms"], {
    fallback: "3600000",
    parse: count,
    help: "Longest time of one build on this server, in milliseconds; 0 = no limit.",
  }),
  buildIdleLimitMs: setting(["build_idle_limit_ms"], {
    fallback: "1200000",
    parse: count,
    help: "How long a build on this server may print nothing and finish nothing, in milliseconds; 0 = no limit.",
  }),
  buildLogBytes: setting(["build_log_bytes"], {
    fallback: String(16 * 1024 ** 2),
    parse: count,
    help: "What the steps of one build on this server may print; beyond it only the end of each step is kept. 0 = no limit.",
  }),
  sourceDateEpoch: setting(["source_date_epoch"], {
    fallback: "none",
    parse: oneOf("none", "commit"),
    help: "commit: a pushed function's image gets the time of its commit in place of the time of the build, so that the same commit gives the same digest.",
  }),
} as const;
