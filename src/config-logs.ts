import { setting } from "./config-setting.ts";
import { duration, flag, optional, text, url } from "./config-values.ts";

/** The settings of where the logs of builds are kept. */
export const logSettings = {
  logStore: setting(["log_store"], {
    fallback: "",
    parse: optional(logAddress),
    help: "Where finished build logs are kept: a folder, or s3://BUCKET/PREFIX. Not set: logs in the data folder; servers that share a database should share this place, too.",
  }),
  logStoreEndpoint: setting(["log_store_endpoint"], {
    fallback: "",
    parse: optional(url("https:", "http:")),
    help: "Address of a store that speaks S3 and is not Amazon's.",
  }),
  logStoreRegion: setting(["log_store_region", "AWS_REGION"], {
    fallback: "us-east-1",
    parse: text,
    help: "Region of the S3 bucket. Its credentials are found as Amazon's tools find them, such as in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
  }),
  logLinks: setting(["log_links"], {
    fallback: "true",
    parse: flag,
    help: "Whether checks and statuses link to the log of their function at public_url, where that is set. Whoever has such a link reads that log without a token.",
  }),
  logRetentionMs: setting(["log_retention"], {
    fallback: "720h",
    parse: duration,
    help: "How long build logs are kept, written as in Go.",
  }),
} as const;

function logAddress(value: string): string {
  if (/^s3:\/\/[a-z0-9][a-z0-9.-]*(?:\/|$)/.test(value) || value.startsWith("/")) return value;
  throw new Error("expected the absolute path of a folder, or s3://BUCKET/PREFIX");
}
