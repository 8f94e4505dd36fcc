import { type Command, InvalidArgumentError, Option } from "commander";
import type { BuildExtras } from "../compose/build-extras.ts";
import type { Fields } from "../compose/build-outputs.ts";
import type { Given } from "../config.ts";
import { BuilderError } from "../errors.ts";

/** The options below as the command line gives them. */
export interface ExtraOptions {
  readonly output: readonly Fields[];
  readonly load?: true;
  readonly secret: readonly Fields[];
  readonly ssh: readonly string[];
  readonly platform?: string;
  readonly target?: string;
  readonly label: readonly string[];
  readonly cacheFrom: readonly Fields[];
  readonly cacheTo: readonly Fields[];
  readonly buildContext: readonly string[];
  readonly ulimit: readonly string[];
  readonly addHost: readonly string[];
  readonly shmSize?: number;
  readonly network?: "none" | "host" | "default";
  readonly provenance?: "min" | "max" | "false";
  readonly sbom?: string;
}

/** Adds the options that reach into BuildKit, under the names that buildx gives them. */
export function addExtraOptions(command: Command): Command {
  return command
    .addOption(
      many(
        "-o, --output <fields>",
        "what to make instead of an image: type=local|tar|oci|docker,dest=PATH; a folder's name, or - for a tar",
        outputOf,
      ),
    )
    .option("--load", "put the images into the Docker engine of DOCKER_HOST, as -o type=docker does")
    .option("--platform <list>", "platforms to build for, such as linux/amd64,linux/arm64; they win over the stack's")
    .option("--target <stage>", "the stage of the Dockerfile to build")
    .addOption(many("--label <key=value>", "a label of every image", textOf))
    .addOption(secretOption())
    .addOption(many("--ssh <id[=socket]>", "lets RUN --mount=type=ssh use an SSH agent: default, or ID=SOCKET", textOf))
    .addOption(
      many(
        "--build-context <name=place>",
        "a named context: a folder, docker-image://…, a git or http address",
        textOf,
      ),
    )
    .addOption(
      many(
        "--cache-from <fields>",
        "a cache to use: type=registry,ref=… or type=local,src=DIR, inline, gha, s3",
        fieldsOf,
      ),
    )
    .addOption(
      many("--cache-to <fields>", "a cache to fill: type=registry,ref=…,mode=max or type=local,dest=DIR", fieldsOf),
    )
    .addOption(many("--ulimit <name=soft[:hard]>", "a limit of RUN's processes", textOf))
    .addOption(many("--add-host <host=ip>", "a line of RUN's /etc/hosts", textOf))
    .addOption(new Option("--shm-size <size>", "size of RUN's /dev/shm, such as 64m").argParser(bytesOf))
    .addOption(new Option("--network <mode>", "RUN's network").choices(["default", "none", "host"]))
    .addOption(new Option("--provenance <mode>", "attest how the image was made").choices(["min", "max", "false"]))
    .option("--sbom <generator>", "attest what the image holds: true, or the image of a scanner");
}

/** Build secrets, here and on servers alike. */
export function secretOption(): Option {
  return many("--secret <fields>", "a build secret: id=ID,src=FILE or id=ID,env=NAME", fieldsOf);
}

/**
 * Reads the options.
 * @throws BuilderError `usage`
 */
export function readExtras(options: ExtraOptions, environment: Given): BuildExtras {
  const { output, secret, ssh, platform, target, label, shmSize, network, provenance, sbom } = options;
  return {
    outputs: options.load === true ? [...output, { type: "docker" }] : output,
    secrets: secret,
    cacheFrom: options.cacheFrom,
    cacheTo: options.cacheTo,
    labels: pairs("--label", label),
    contexts: pairs("--build-context", options.buildContext),
    ...(ssh.length > 0 && { sshAgents: sshAgents(ssh, environment) }),
    ...(options.ulimit.length > 0 && { ulimits: pairs("--ulimit", options.ulimit) }),
    ...(options.addHost.length > 0 && { hosts: pairs("--add-host", options.addHost) }),
    ...(platform !== undefined && { platforms: platform.split(",").map((word) => word.trim()) }),
    ...(target !== undefined && { target }),
    ...(shmSize !== undefined && { shmBytes: shmSize }),
    ...(network !== undefined && network !== "default" && { network }),
    ...(provenance !== undefined && provenance !== "false" && { provenance }),
    ...(sbom !== undefined && sbom !== "false" && { sbom: sbom === "true" ? true : { generator: sbom } }),
    ...sourceDateEpoch(environment.SOURCE_DATE_EPOCH),
  };
}

function many<T>(flags: string, help: string, read: (text: string) => T): Option {
  return new Option(flags, `${help}; may be repeated`)
    .default([], "none")
    .argParser((text, all: readonly T[]) => [...all, read(text)]);
}

function textOf(text: string): string {
  return text;
}

const loneTypes = new Set(["inline", "gha"]);

/** As buildx reads it: a lone word is a folder. */
function outputOf(text: string): Fields {
  if (text === "-") return { type: "tar", dest: text };
  return text.includes("=") ? fieldsOf(text) : { type: "local", dest: text };
}

/** "type=oci,dest=x"; a lone word is the type, or what a registry's cache is called. A field may be quoted as in CSV. */
function fieldsOf(text: string): Fields {
  const fields = [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)/g)];
  if (fields.map(([whole]) => whole).join("") !== text) throw new InvalidArgumentError("Expected KEY=VALUE,KEY=VALUE.");
  const read = fields.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "");
  if (read.length === 1 && !text.includes("="))
    return loneTypes.has(text) ? { type: text } : { type: "registry", ref: text };
  return Object.fromEntries(read.map((field) => pairOf(field)));
}

function pairOf(field: string): [key: string, value: string] {
  const at = field.indexOf("=");
  if (at < 1) throw new InvalidArgumentError(`"${field}": expected KEY=VALUE.`);
  return [field.slice(0, at).trim(), field.slice(at + 1)];
}

function bytesOf(text: string): number {
  const [, number, unit = ""] = /^(\d+)([bkmg]?)b?$/i.exec(text) ?? [];
  if (number === undefined) throw new InvalidArgumentError("Expected a size such as 64m.");
  return Number(number) * 1024 ** Math.max("bkmg".indexOf(unit.toLowerCase()), 0);
}

function pairs(flag: string, given: readonly string[]): Fields {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw new BuilderError("usage", `${flag} "${text}": expected NAME=VALUE`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function sshAgents(given: readonly string[], environment: Given): Fields {
  return Object.fromEntries(
    given.map((text) => {
      const [id = "", socket = environment.SSH_AUTH_SOCK] = text.split("=");
      if (socket === undefined || id === "")
        throw new BuilderError("usage", `--ssh "${text}": there is no agent`, {
          fix: "Start one and set SSH_AUTH_SOCK, or give ID=SOCKET.",
        });
      return [id, socket];
    }),
  );
}

/** As buildctl takes it from the environment. */
function sourceDateEpoch(text: string | undefined): { sourceDateEpoch?: number } {
  if (text === undefined || text === "") return {};
  if (!/^\d{1,12}$/.test(text))
    throw new BuilderError("usage", `SOURCE_DATE_EPOCH="${text}": expected seconds since 1970`);
  return { sourceDateEpoch: Number(text) };
}
