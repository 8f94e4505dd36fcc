import { userInfo } from "node:os";
import { buildSettings } from "./config-builds.ts";
import { intakeSettings } from "./config-intake.ts";
import { logSettings } from "./config-logs.ts";
import { queueSettings } from "./config-queue.ts";
import { reportSettings } from "./config-reporting.ts";
import { type Setting, setting } from "./config-setting.ts";
import {
  count,
  flag,
  imagePatterns,
  legacyForm,
  list,
  oneOf,
  optional,
  places,
  portNumber,
  text,
  url,
  urls,
  variables,
} from "./config-values.ts";
import { BuilderError, messageOf } from "./errors.ts";

/** Names and values as the environment or a settings file gives them. */
export type Given = Readonly<Record<string, string | undefined>>;

/** Every setting there is. docs/settings.md shows this table, and a test holds it against it. */
const settings = {
  port: setting(["PORT"], { fallback: "8080", parse: portNumber, help: "Port of the HTTP server; 0 = any free one." }),
  listenHost: setting(["listen_host"], {
    fallback: "0.0.0.0",
    parse: text,
    help: "Address that the HTTP server listens on.",
  }),
  databaseUrl: setting(["DATABASE_URL"], {
    fallback: "",
    parse: optional(url("postgres:", "postgresql:")),
    help: "PostgreSQL to share with other servers; without it one is started in the data folder.",
  }),
  dataFolder: setting(["data_path"], {
    fallback: {
      shown: "/var/lib/of-builder, or ~/.local/share/of-builder for anyone but root",
      of: ({ HOME }) => (process.getuid?.() === 0 ? "/var/lib/of-builder" : `${HOME ?? "."}/.local/share/of-builder`),
    },
    parse: text,
    help: "Folder for the embedded database and everything temporary.",
  }),
  buildkitUrl: setting(["buildkit_url", "BUILDKIT_HOST"], {
    fallback: "",
    parse: optional(urls("tcp:", "unix:", "docker:")),
    help: "Addresses of buildkitd, separated by commas: tcp://HOST:PORT, where HOST may have several addresses, unix:///PATH, or docker:///PATH of a Docker engine. Not set: serve takes tcp://of-buildkit:1234, build and dev find or start one.",
  }),
  buildkitTlsCa: setting(["buildkit_tls_ca"], {
    fallback: "",
    parse: optional(text),
    help: "PEM file of who signs the certificates of buildkitd. With one of the buildkit_tls_ settings tcp:// speaks TLS; without this one the system's list counts. Files are read again when they change.",
  }),
  buildkitTlsCert: setting(["buildkit_tls_cert"], {
    fallback: "",
    parse: optional(text),
    help: "PEM file of the certificate that buildkitd is shown.",
  }),
  buildkitTlsKey: setting(["buildkit_tls_key"], {
    fallback: "",
    parse: optional(text),
    help: "PEM file of that certificate's key.",
  }),
  buildkitTlsServerName: setting(["buildkit_tls_server_name"], {
    fallback: "",
    parse: optional(text),
    help: "Name that buildkitd's certificate has to be for, where it is not the host of the address.",
  }),
  buildkitSlots: setting(["buildkit_slots"], {
    fallback: { shown: "max_inflight", of: ({ max_inflight: inflight }) => inflight || "4" },
    parse: places,
    help: "Builds at the same time on each buildkitd; a function goes to the one that has its cache while that has a free place. 0 = no limit.",
  }),
  buildkitForce: setting(["buildkit_force"], {
    fallback: "false",
    parse: flag,
    help: "Accept a BuildKit older than 0.31.2, below which known holes are open.",
  }),
  pushRegistry: setting(["push_repository_url"], {
    fallback: "",
    parse: optional(text),
    help: "Registry (and account) that pushed functions go to, such as registry:5000; with a trailing / one account is shared by all owners.",
  }),
  pullRegistry: setting(["repository_url"], {
    fallback: "",
    parse: optional(text),
    help: "The same registry as the cluster reaches it, where that differs; read, but of use only once of-builder deploys.",
  }),
  insecure: setting(["insecure"], {
    fallback: "",
    parse: optional(flag),
    help: "true: push over plain HTTP; false: never; not set: only to a registry that speaks nothing else and for which no credentials are stored.",
  }),
  dockerMirror: setting(["docker_mirror"], {
    fallback: "",
    parse: optional(text),
    help: "Registry (HOST[:PORT]) that BuildKit has as mirror of docker.io: base images are looked up there first, too.",
  }),
  ...intakeSettings,
  customTemplates: setting(["custom_templates"], {
    fallback: "",
    parse: list,
    help: "Template repositories that pushed stacks may use, separated by commas; #REF pins one to a branch or tag.",
  }),
  templateSources: setting(["template_sources"], {
    fallback: "",
    parse: list,
    help: "Further template repositories that pushed stacks may name in configuration.templates, separated by commas; * stands for any text without /, and commits (#sha-HEX) may be named only where a pattern has a #.",
  }),
  repositoryTemplates: setting(["enable_repository_templates"], {
    fallback: "true",
    parse: flag,
    help: "Whether the template/ folder of a pushed repository counts.",
  }),
  templateStoreUrl: setting(["template_store_url", "OPENFAAS_TEMPLATE_STORE_URL"], {
    fallback: "",
    parse: optional(url("https:", "http:")),
    help: "List of templates (JSON) that is searched last. Not set: build takes the official store, serve none.",
  }),
  templateRefreshMs: setting(["template_refresh_ms"], {
    fallback: "3600000",
    parse: count,
    help: "How long a branch or tag of a template repository counts as what it was, in milliseconds.",
  }),
  gitCacheBytes: setting(["git_cache_bytes"], {
    fallback: String(5 * 1024 ** 3),
    parse: count,
    help: "Most bytes kept of repositories, and as many of templates, so that the next fetch is cheap; 0 = nothing is kept.",
  }),
  stackVariables: setting(["stack_variables"], {
    fallback: "",
    parse: variables,
    help: "Variables that a pushed stack.yml may use, separated by commas: NAME gives the server's own value, NAME=VALUE another; no others are visible.",
  }),
  dockerfileLang: setting(["enable_dockerfile_lang"], {
    fallback: "true",
    parse: flag,
    help: "Whether functions may have lang: dockerfile.",
  }),
  githubAppId: setting(["github_app_id"], {
    fallback: "",
    parse: optional(text),
    help: "Id of the GitHub App. Not set: the text of the file github-app-id beside the secrets, which of-builder setup writes.",
  }),
  githubApiUrl: setting(["github_api_url"], {
    fallback: "https://api.github.com",
    parse: url("https:", "http:"),
    help: "GitHub's API; GitHub Enterprise Server: https://HOST/api/v3.",
  }),
  publicUrl: setting(["public_url"], {
    fallback: "",
    parse: optional(url("https:", "http:")),
    help: "Address of this server as GitHub reaches it. Where it is set, the App's webhook is kept at it.",
  }),
  secretFolder: setting(["secret_mount_path"], {
    fallback: "/var/openfaas/secrets",
    parse: text,
    help: "Folder with the files github-webhook-secret, private-key, payload-secret and build-secrets-key.",
  }),
  disableHmac: setting(["disable_hmac"], {
    fallback: "false",
    parse: flag,
    help: "Take POST /build without a signature even though payload-secret exists.",
  }),
  allowSha1: setting(["allow_sha1"], {
    fallback: "false",
    parse: flag,
    help: "Take the old X-Cloud-Signature: sha1= on POST /build.",
  }),
  replayProtection: setting(["replay_protection"], {
    fallback: "off",
    parse: oneOf("off", "digest", "timestamp"),
    help: "What POST /build refuses as sent before: off, only repeated requests with X-Build-Timestamp; digest, any body of the last day; timestamp, also all without X-Build-Timestamp.",
  }),
  legacyStatus: setting(["legacy_status"], {
    fallback: "false",
    parse: legacyForm,
    help: "true: answer POST /build as OpenFaaS Cloud did until 2021, 200 or 500 and nothing else; text: as until 0.4, with the image's name or the error as plain text.",
  }),
  maxInflight: setting(["max_inflight"], {
    fallback: "4",
    parse: count,
    help: "Builds at the same time; 0 = no limit.",
  }),
  maxQueue: setting(["max_queue"], {
    fallback: "100",
    parse: count,
    help: "Builds of POST /build that may wait for their turn; more are answered with 429.",
  }),
  maxBodyBytes: setting(["max_body_bytes"], {
    fallback: String(2 * 1024 ** 3),
    parse: count,
    help: "Largest body of POST /build, in bytes, packed or unpacked.",
  }),
  ...buildSettings,
  ...queueSettings,
  ...reportSettings,
  retryAttempts: setting(["retry_attempts"], {
    fallback: "6",
    parse: count,
    help: "Further attempts when BuildKit, the registry or the repository does not answer.",
  }),
  retryFirstMs: setting(["retry_first_ms"], {
    fallback: "2000",
    parse: count,
    help: "Wait before the second attempt, in milliseconds; it doubles up to a minute.",
  }),
  dockerConfig: setting(["DOCKER_CONFIG"], {
    fallback: { shown: "~/.docker", of: ({ HOME }) => `${HOME ?? "/root"}/.docker` },
    parse: text,
    help: "Folder of Docker's config.json with the registries' credentials.",
  }),
  pullCredentials: setting(["pull_credentials"], {
    fallback: "docker.io/library/*",
    parse: imagePatterns,
    help: "Images that every build may pull with config.json's credentials, separated by commas: HOST/REPOSITORY, with * at the end for any text, or * for all. What a build pushes it may pull.",
  }),
  ...logSettings,
  logLevel: setting(["log_level"], {
    fallback: "info",
    parse: oneOf("debug", "info", "warn", "error", "silent"),
    help: "debug, info, warn, error or silent.",
  }),
} as const;

/** The complete settings of a process. Nobody behind this door checks them again. */
export type Config = Readonly<{ [Name in keyof typeof settings]: ReturnType<(typeof settings)[Name]["parse"]> }>;

/**
 * Reads all settings.
 * @param given environment and settings file, merged; an empty value counts as not given
 * @throws BuilderError `setting_invalid` that names every faulty setting
 */
export function readConfig(given: Given): Config {
  const faults: string[] = [];
  const entries = Object.entries<Setting<unknown>>(settings).map(([key, { names, fallback, parse }]) => {
    const name = names.find((candidate) => given[candidate]) ?? names[0] ?? key;
    const value = given[name] || (typeof fallback === "string" ? fallback : fallback.of(given));
    try {
      return [key, parse(value, given)];
    } catch (error) {
      faults.push(`${name}="${value}": ${messageOf(error)}`);
      return [key, undefined];
    }
  });
  if (faults.length > 0) throw new BuilderError("setting_invalid", faults.join("; "));
  return Object.freeze(Object.fromEntries(entries)) as Config;
}

/** What is true of the machine and the person, and no setting. */
export interface Surroundings {
  /** The variable PATH. */
  readonly path: string;
  /** XDG_RUNTIME_DIR, where a person has one. */
  readonly runtimeFolder: string | undefined;
  readonly userName: string;
  /** 0 = root. */
  readonly uid: number;
  /** The whole environment, for programs that take proxies and certificates from it. */
  readonly environment: Given;
}

/** Reads what is true of the machine and the person. */
export function readSurroundings(given: Given): Surroundings {
  const { uid, username } = userInfo();
  return { path: given.PATH ?? "", runtimeFolder: given.XDG_RUNTIME_DIR, userName: username, uid, environment: given };
}

/** The settings as rows of a table: names, what stands for one that is not given, and what it means. */
export function settingRows(): readonly { names: readonly string[]; fallback: string; help: string }[] {
  return Object.values<Setting<unknown>>(settings).map(({ names, fallback, help }) => ({
    names,
    fallback: typeof fallback === "string" ? fallback : fallback.shown,
    help,
  }));
}
