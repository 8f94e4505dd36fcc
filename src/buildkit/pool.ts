/*
 * Several daemons as one. A build goes to the daemon that its image belongs to, where its cache is; to the next one
 * when all places there are taken; and once more to another one when the daemon is lost under it. Each daemon is asked
 * every second: no build goes to one that fails, or is silent for 2 s, until it answers again; what runs on one that
 * was silent for 4 s is lost.
 */
import { BuilderError, messageOf } from "../errors.ts";
import { parseAddress } from "./address.ts";
import { type BuildLimits, watchLimits } from "./build-limits.ts";
import { describeAbort } from "./call-error.ts";
import type { Buildkit } from "./client.ts";
import { joinSignals } from "./joined-signal.ts";
import type { BuildResult } from "./one-build.ts";
import { isFixed } from "./pool-addresses.ts";
import { type Daemon, Daemons, type DaemonsOptions } from "./pool-daemons.ts";
import { createPlaces, type Places } from "./pool-places.ts";
import type { BuildRequest } from "./solve-request.ts";

export interface BuildkitPool extends Buildkit {
  /** How the daemons do at this moment. */
  snapshot(): PoolSnapshot;
}

export interface PoolSnapshot {
  /** Builds that wait for a place. */
  readonly waiting: number;
  readonly daemons: readonly DaemonLoad[];
}

export interface DaemonLoad
  extends Pick<Daemon, "address" | "version" | "isHealthy" | "running" | "built" | "failures"> {
  readonly slots: number;
}

export interface PoolOptions extends DaemonsOptions {
  /** Builds at a time on each daemon. */
  readonly slots: number;
}

type BuildOptions = Parameters<Buildkit["build"]>[1];

/** How old the answers of DNS may get. */
const maxAgeMs = 5000;
const refreshEveryMs = 1000;

/**
 * Creates a client of several daemons. Nothing is connected yet.
 * @throws BuilderError `setting_invalid` where an address is none
 */
export function createBuildkitPool({ slots, ...options }: PoolOptions): BuildkitPool {
  for (const address of options.addresses) parseAddress(address, { tls: options.tls });
  const { addresses, log } = options;
  const isAlone = addresses.length === 1 && addresses.every(isFixed);
  const daemons = new Daemons({ ...options, onNews: isAlone ? undefined : () => places.serve() });
  const places = createPlaces(() => daemons.all, { slots });
  const closed = new AbortController();
  const watch = isAlone ? undefined : repeat(() => refresh(daemons, places), refreshEveryMs);
  return {
    async build(request, { onEvent, ...given }) {
      using joined = joinSignals([given.signal, closed.signal]);
      if (joined.signal.aborted) throw describeAbort(joined.signal);
      await daemons.refresh(maxAgeMs);
      const key = keyOf(request);
      const first = await places.take({ key }, joined);
      // Of all that it takes: a build that is run again has not more time than one that is not.
      using time = watchLimits(timeOf(request));
      using bounded = joinSignals([joined.signal, time.signal]);
      const { signal } = bounded;
      const run = (daemon: Daemon) => runOn(daemon, { daemons, places, request, signal, onEvent });
      try {
        return await run(first);
      } catch (error) {
        const isOnlyOne = daemons.all.every((daemon) => daemon === first);
        if (!isLoss(error) || signal.aborted || isOnlyOne || !isRepeatable(request)) throw error;
        log.warn({ buildkit: first.address, reason: messageOf(error) }, "a build is run again on another BuildKit");
      }
      const second = await places.take({ key, except: first }, { signal });
      return await run(second);
    },
    async check({ signal }) {
      await daemons.refresh(maxAgeMs);
      const checks = await Promise.allSettled(daemons.all.map((daemon) => daemons.check(daemon, { signal })));
      const good = checks.find((check) => check.status === "fulfilled");
      if (good !== undefined) return { version: good.value };
      throw checks.find((check) => check.status === "rejected")?.reason ?? nobody(addresses);
    },
    close() {
      watch?.stop();
      closed.abort(new BuilderError("build_cancelled", "the client of BuildKit was closed"));
      daemons.close();
    },
    snapshot: () => ({ waiting: places.waiting(), daemons: daemons.all.map((daemon) => loadOf(daemon, slots)) }),
  };
}

async function refresh(daemons: Daemons, places: Places): Promise<void> {
  await daemons.refresh(maxAgeMs);
  places.serve();
}

/** Repeats work, one after the other, without keeping the process alive. What fails in it is noted there. */
function repeat(work: () => Promise<void>, everyMs: number): { stop(): void } {
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    const end = () => {
      isRunning = false;
    };
    void work().then(end, end);
  }, everyMs).unref();
  return { stop: () => clearInterval(timer) };
}

interface Run {
  readonly daemons: Daemons;
  readonly places: Places;
  readonly request: BuildRequest;
  readonly signal: AbortSignal;
  readonly onEvent: BuildOptions["onEvent"];
}

async function runOn(daemon: Daemon, { daemons, places, request, signal, onEvent }: Run): Promise<BuildResult> {
  try {
    const result = await untilLost(daemon, signal, (stop) => daemon.client.build(request, { signal: stop, onEvent }));
    daemon.built++;
    return result;
  } catch (error) {
    if (isLoss(error) && !signal.aborted) {
      daemon.failures++;
      daemons.noteFailure(daemon, error);
    }
    throw error;
  } finally {
    places.release(daemon);
  }
}

/** Runs a build until its daemon is given up: one that is silent does not even answer to being cancelled. */
async function untilLost(
  { lost }: Daemon,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<BuildResult>,
): Promise<BuildResult> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onLost = () => reject(lost.signal.reason);
  lost.signal.addEventListener("abort", onLost, { once: true });
  using joined = joinSignals([signal, lost.signal]);
  try {
    return await Promise.race([run(joined.signal), promise]);
  } finally {
    lost.signal.removeEventListener("abort", onLost);
  }
}

/** An image is the same function's whatever its tag. */
function keyOf({ image, sharedKey }: BuildRequest): string {
  const [name] = image?.names ?? [];
  return name?.replace(/:[^:/]*$/, "") ?? sharedKey ?? "";
}

/**
 * What has begun to come to us can come a second time where nothing of it is seen before it is whole: a file takes its
 * name then, and a layout its index. A stream has been written to, and a folder holds some of the files.
 */
function isRepeatable({ exports = [] }: BuildRequest): boolean {
  return exports.every((output) => ("to" in output ? typeof output.to === "string" : output.type === "oci"));
}

function timeOf({ limits }: BuildRequest): BuildLimits {
  return limits?.timeMs === undefined ? {} : { timeMs: limits.timeMs };
}

function isLoss(error: unknown): boolean {
  return error instanceof BuilderError && (error.code === "buildkit_unreachable" || error.code === "buildkit_refused");
}

function loadOf({ address, version, isHealthy, running, built, failures }: Daemon, slots: number): DaemonLoad {
  return { address, version, isHealthy, running, built, failures, slots };
}

function nobody(addresses: readonly string[]): BuilderError {
  return new BuilderError("buildkit_unreachable", `no BuildKit was found at "${addresses.join(", ")}"`);
}
