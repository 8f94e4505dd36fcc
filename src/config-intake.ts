import { setting } from "./config-setting.ts";
import { branchRules, count, duration, list, oneOf, optional, text, url } from "./config-values.ts";

/** The settings that say what of GitHub's events is built, for whom, and how what was missed is found. */
export const intakeSettings = {
  branchRules: setting(["build_branch"], {
    fallback: "",
    parse: branchRules,
    help: "Branches whose pushes are built, separated by commas: BRANCH or BRANCH=ENVIRONMENT, with * for any text without /, ** for any text; the first that fits counts. Not set: the repository's default branch.",
  }),
  buildTags: setting(["build_tags"], {
    fallback: "",
    parse: list,
    help: "Tags that are built, as patterns separated by commas, such as v*. Not set: none.",
  }),
  buildPaths: setting(["build_paths"], {
    fallback: "",
    parse: list,
    help: "Files, as patterns separated by commas: a push to a branch that changes none of them is not built; ! before a pattern exempts, / at its end means all below. Not set: every push is built.",
  }),
  buildPullRequests: setting(["build_pull_requests"], {
    fallback: "all",
    parse: oneOf("all", "own", "none"),
    help: "Whose pull requests are built: all, those of forks once a person who may write approves the commit; own, only those from within the repository; none.",
  }),
  customersPath: setting(["customers_path"], {
    fallback: "",
    parse: optional(text),
    help: "File with the owners whose pushes are built, one a line; not set: those of customers_url.",
  }),
  customersUrl: setting(["customers_url"], {
    fallback: "",
    parse: optional(url("https:", "http:")),
    help: "Address of such a list. It is read every five minutes; while that fails, the last good copy counts. Neither set: all owners.",
  }),
  ownerBuildsPerHour: setting(["owner_builds_per_hour"], {
    fallback: "0",
    parse: count,
    help: "Pushes of one owner that may be built within an hour; 0 = no limit.",
  }),
  ownerMinutesPerDay: setting(["owner_minutes_per_day"], {
    fallback: "0",
    parse: count,
    help: "Minutes that one owner's functions may have been built for within a day before a further push is refused; 0 = no limit.",
  }),
  ownerContextBytes: setting(["owner_context_bytes"], {
    fallback: "0",
    parse: count,
    help: "Largest build context of a pushed function, in bytes; 0 = no limit.",
  }),
  sweepIntervalMs: setting(["sweep_interval"], {
    fallback: "2m",
    parse: duration,
    help: "How often GitHub is asked for deliveries that never arrived, as a duration such as 90s; 0s = never.",
  }),
  pollIntervalMs: setting(["poll_interval"], {
    fallback: "10m",
    parse: duration,
    help: "How often GitHub is asked for the heads of built branches, which finds pushes that it never tried to deliver; 0s = never.",
  }),
} as const;
