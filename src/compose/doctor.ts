import { randomUUID } from "node:crypto";
import { createBuildkit } from "../buildkit/client.ts";
import { type DaemonFacts, type GcRule, inspectDaemon } from "../buildkit/inspect-daemon.ts";
import { type DaemonAddress, findDaemons, tlsOf } from "../buildkit/pool-addresses.ts";
import type { Config, Surroundings } from "../config.ts";
import { createFilesContext } from "../contexts/files.ts";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import { hostOf } from "../model/image-name.ts";
import { defaultAddresses } from "../parts/find-buildkit.ts";
import { readClock } from "../registry/clock.ts";
import { createCredentials, type LookUpCredentials } from "../registry/credentials.ts";
import { deleteManifest } from "../registry/manifest.ts";
import { tlsFiles } from "./buildkit-pool.ts";
import { clockFinding, createBuildClock } from "./doctor-clocks.ts";
import { type Finding, wrongFinding } from "./doctor-finding.ts";
import { examineGit } from "./git.ts";
import { createPushTarget, type PushTarget } from "./push-target.ts";
import { createRegistrySignIn, permitOf, type RegistrySignIn } from "./registry-sign-in.ts";

interface Around {
  readonly surroundings: Surroundings;
  readonly log: Log;
  readonly signal: AbortSignal;
}

interface Visit extends Around {
  readonly config: Config;
  readonly target: PushTarget;
  readonly credentials: LookUpCredentials;
  readonly signIn: RegistrySignIn;
}

const repository = "of-builder-doctor";
const trialLimitMs = 120_000;

/** Looks at each daemon, and pushes a tiny image from it. Whatever is wrong is a finding, and the rest is looked at. */
export async function* examine(config: Config, around: Around): AsyncGenerator<Finding> {
  const addresses = config.buildkitUrl?.split(",").map((address) => address.trim());
  const credentials = createCredentials({ folder: config.dockerConfig });
  const target = createPushTarget({ setting: config.insecure, mirror: config.dockerMirror, credentials });
  const signIn = createRegistrySignIn({ credentials, target, permitFor: permitOf(config) });
  const visit = { ...around, config, target, credentials, signIn };
  let found = 0;
  for (const address of addresses ?? defaultAddresses(around.surroundings.runtimeFolder)) {
    for await (const finding of lookAtDaemons(address, { ...visit, isGuess: addresses === undefined })) {
      found += 1;
      yield finding;
    }
  }
  if (found === 0) yield noDaemon();
  yield await examineGit(around);
  yield* lookAtRegistries(visit);
}

function noDaemon(): Finding {
  const fix = "Start buildkitd and set buildkit_url; build and dev start one of their own (npm run tools).";
  return { what: "no BuildKit runs where one usually does", state: "wrong", lines: [], fix };
}

/** Looks at each daemon that an address stands for: the name of a service is that of all of its daemons. */
async function* lookAtDaemons(address: string, visit: Visit & { isGuess: boolean }): AsyncGenerator<Finding> {
  let daemons: readonly DaemonAddress[];
  try {
    daemons = await findDaemons([address]);
  } catch (error) {
    yield wrongFinding(`BuildKit at ${address}`, error);
    return;
  }
  for (const daemon of daemons) {
    const finding = await lookAtDaemon(daemon, visit);
    // Of the places where one may run, those where none does are no news.
    if (visit.isGuess && finding.state === "wrong") continue;
    yield finding;
    if (finding.state !== "wrong") yield* tryBuild(daemon, visit);
  }
}

async function lookAtDaemon(daemon: DaemonAddress, { config, log, signal }: Visit): Promise<Finding> {
  const { address, serverName } = daemon;
  const what = `BuildKit at ${address}${serverName === undefined ? "" : ` (${serverName})`}`;
  const tls = tlsOf(daemon, tlsFiles(config));
  const client = createBuildkit({ address, tls, force: config.buildkitForce, log });
  try {
    await client.check({ signal });
    const facts = await inspectDaemon(address, { tls, signal });
    return { what, state: "good", lines: factLines(facts), fix: "", ...doubtOf(facts) };
  } catch (error) {
    return wrongFinding(what, error);
  } finally {
    client.close();
  }
}

function factLines({ version, workers, entitlements }: DaemonFacts): readonly string[] {
  const [worker] = workers;
  return [
    `version ${version || "unknown"}`,
    `platforms ${workers.flatMap(({ platforms }) => platforms).join(", ") || "unknown"}`,
    `snapshotter ${worker?.snapshotter || "unknown"}`,
    `forgets ${worker?.gcRules.map(ruleText).join("; ") || "nothing: it has no rules"}`,
    `entitlements ${entitlements.join(", ") || "none"}`,
  ];
}

function ruleText({ all, keepSeconds, maxBytes }: GcRule): string {
  const age = keepSeconds > 0 ? ` older than ${Math.round(keepSeconds / 3600)} h` : "";
  const size = maxBytes > 0 ? ` beyond ${(maxBytes / 1e9).toFixed(1)} GB` : "";
  return `${all ? "everything" : "what is not shared"}${age}${size}`;
}

function doubtOf({ workers, entitlements }: DaemonFacts): Partial<Finding> | undefined {
  const fixes: string[] = [];
  if (entitlements.includes("security.insecure"))
    fixes.push(
      "Take security.insecure out of buildkitd's insecure-entitlements: a Dockerfile could take the machine over.",
    );
  if (workers.some(({ snapshotter }) => snapshotter === "native"))
    fixes.push(
      "Let buildkitd keep its layers in overlayfs (or fuse-overlayfs): the native snapshotter copies every layer whole.",
    );
  if (workers.every(({ gcRules }) => gcRules.length === 0))
    fixes.push("Switch garbage collection on in buildkitd.toml (gc = true): its cache grows until the disk is full.");
  return fixes.length === 0 ? undefined : { state: "doubtful", fix: fixes.join("\n") };
}

/** What a push from each daemon shows of the registry is told there; this is the rest, and the other registries. */
async function* lookAtRegistries(visit: Visit): AsyncGenerator<Finding> {
  const { pushRegistry, pullRegistry, dockerMirror } = visit.config;
  const seen = new Set<string>();
  for (const [setting, registry] of Object.entries({
    push_repository_url: pushRegistry,
    repository_url: pullRegistry,
    docker_mirror: dockerMirror,
  })) {
    const host = registry && hostOf(`${registry}/${repository}`);
    if (!host || seen.has(host)) continue;
    seen.add(host);
    yield lookAtRegistry(host, setting, visit);
  }
}

async function lookAtRegistry(host: string, setting: string, { target, signal }: Visit): Promise<Finding> {
  try {
    const insecure = await target.isInsecure(`${host}/${repository}`, { signal });
    return clockFinding(`registry ${host}`, await readClock(host, { insecure, signal }));
  } catch (error) {
    const finding = wrongFinding(`registry ${host}`, error);
    return { ...finding, fix: `Start the registry, or correct ${setting}.` };
  }
}

/** Builds and pushes a tiny image; what the daemon tells of its steps shows what its clock says. */
async function* tryBuild(daemon: DaemonAddress, visit: Visit): AsyncGenerator<Finding> {
  const { address } = daemon;
  const { config, log, target, signIn } = visit;
  const signal = AbortSignal.any([visit.signal, AbortSignal.timeout(trialLimitMs)]);
  const registry = config.pushRegistry?.replace(/\/+$/u, "");
  const name = registry === undefined ? undefined : `${registry}/${repository}:${randomUUID().slice(0, 8)}`;
  const what = name === undefined ? `a build at ${address}` : `a push from ${address} to ${registry}`;
  const client = createBuildkit({ address, tls: tlsOf(daemon, tlsFiles(config)), force: config.buildkitForce, log });
  const clock = createBuildClock();
  try {
    const insecure = name !== undefined && (await target.isInsecure(name, { signal }));
    const image = name === undefined ? {} : { image: { names: [name], push: true, insecure }, ...signIn([name]) };
    const context = createFilesContext({ Dockerfile: { content: `FROM scratch\nCOPY Dockerfile /${randomUUID()}\n` } });
    const { digest } = await client.build({ context, ...image }, { signal, onEvent: clock.take });
    const lines = name === undefined ? [] : await confirmPush(name, digest, { ...visit, insecure, signal });
    const fix = name === undefined ? "Set push_repository_url, and the way to the registry is tried, too." : "";
    yield { what, state: "good", lines, fix };
  } catch (error) {
    yield wrongFinding(what, error);
  } finally {
    client.close();
  }
  yield clockFinding(address, clock.aheadMs());
}

async function confirmPush(
  name: string,
  digest: string | undefined,
  { target, credentials, insecure, signal }: Visit & { insecure: boolean },
): Promise<readonly string[]> {
  const stored = await target.readDigest(name, { signal });
  if (digest === undefined || stored !== digest) {
    throw new BuilderError("registry_unreachable", `${name} was pushed as ${digest}, the registry has ${stored}`);
  }
  const place = name.replace(/:[^:/]*$/u, "");
  const isDeleted = await deleteManifest(`${place}@${digest}`, { insecure, credentials, signal });
  return [
    `pushed and read back${insecure ? " over plain HTTP" : ""}`,
    isDeleted ? "deleted again" : `left there: the registry does not let ${name} be deleted`,
  ];
}
