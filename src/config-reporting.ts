import { setting } from "./config-setting.ts";
import { duration, oneOf } from "./config-values.ts";

/** The settings of what GitHub shows. */
export const reportSettings = {
  reportWith: setting(["report_with"], {
    fallback: "checks",
    parse: oneOf("checks", "statuses"),
    help: "checks: a check for the stack and each function, with log, lines at fault and buttons; statuses where the App may write no checks. statuses: commit statuses only.",
  }),
  reportIntervalMs: setting(["report_interval"], {
    fallback: "1s",
    parse: duration,
    help: "Pause after each write to GitHub for an installation, of all processes together, such as 1s, which github.com asks for; GitHub Enterprise Server without limits may take less.",
  }),
} as const;
