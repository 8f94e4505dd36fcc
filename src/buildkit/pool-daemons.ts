import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { describeUnreachable } from "./call-error.ts";
import { type Buildkit, createBuildkit } from "./client.ts";
import { findDaemons, type LookUp } from "./pool-addresses.ts";
import type { TlsFiles } from "./tls-files.ts";

/** A daemon of a pool, and how it does. */
export interface Daemon {
  readonly address: string;
  readonly client: Buildkit;
  /** Undefined until it has answered once. */
  version: string | undefined;
  /** False from a failure until the next good answer. */
  isHealthy: boolean;
  /** Aborts when nothing has been heard of it for a while: what runs there is lost. A new one when it is back. */
  lost: AbortController;
  running: number;
  built: number;
  failures: number;
  /** Checks in a row that failed. */
  silence: number;
}

export interface DaemonsOptions {
  /** As `parseAddress` takes them; a host name may stand for several daemons. */
  readonly addresses: readonly string[];
  readonly tls?: TlsFiles | undefined;
  /** Accepts daemons that are older than the security floor. */
  readonly force?: boolean;
  /** Finds the addresses of a host name; the system's way where absent. */
  readonly lookUp?: LookUp;
  readonly log: Log;
}

/** After so many checks without an answer, what runs on a daemon is given up. */
const maxSilence = 2;

/** The daemons of a pool as they are found at the moment. */
export class Daemons {
  readonly #options: DaemonsOptions;
  #known = new Map<string, Daemon>();
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DaemonsOptions) {
    this.#options = options;
  }

  get all(): readonly Daemon[] {
    return [...this.#known.values()];
  }

  /**
   * Looks for the daemons anew, unless that was done less than `maxAgeMs` ago. Those that are not found any more end
   * what they are at. While names cannot be resolved the daemons that are known stay.
   * @throws BuilderError `buildkit_unreachable` where none was ever found
   */
  async refresh(maxAgeMs: number): Promise<void> {
    if (performance.now() - this.#refreshedAt < maxAgeMs) return;
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const { addresses, lookUp, log } = this.#options;
    try {
      const found = await findDaemons(addresses, { lookUp });
      this.#known = new Map(
        found.map((each) => [
          each.address,
          this.#known.get(each.address) ?? this.#create(each.address, each.serverName),
        ]),
      );
    } catch (error) {
      if (this.#known.size === 0) throw error;
      log.warn({ buildkit: addresses.join() }, `the daemons that are known stay: ${messageOf(error)}`);
    }
    this.#refreshedAt = performance.now();
  }

  #create(address: string, serverName: string | undefined): Daemon {
    const { tls, force = false, log } = this.#options;
    const named = tls && serverName !== undefined ? { serverName, ...tls } : tls;
    const client = createBuildkit({ address, tls: named, force, log });
    const counts = { running: 0, built: 0, failures: 0, silence: 0 };
    return { address, client, version: undefined, isHealthy: true, lost: new AbortController(), ...counts };
  }

  /** Asks a daemon whether it is well, and notes the answer. @throws BuilderError as the client's check does */
  async check(daemon: Daemon, { signal }: { signal: AbortSignal }): Promise<string> {
    try {
      const { version } = await daemon.client.check({ signal });
      if (!daemon.isHealthy) this.#options.log.info({ buildkit: daemon.address }, "BuildKit answers again");
      if (daemon.lost.signal.aborted) daemon.lost = new AbortController();
      Object.assign(daemon, { version, isHealthy: true, silence: 0 });
      return version;
    } catch (error) {
      if (!signal.aborted) this.noteFailure(daemon, error);
      throw error;
    }
  }

  /** Checks every daemon within a time. What runs on one that fails again and again is given up. */
  async watch(limitMs: number): Promise<void> {
    const watchOne = async (daemon: Daemon) => {
      const signal = AbortSignal.timeout(limitMs);
      try {
        await this.check(daemon, { signal });
      } catch (error) {
        const silent = new Error(`nothing was heard for ${limitMs / 1000} s`, { cause: error });
        const reason = signal.aborted ? describeUnreachable(daemon.address, silent) : error;
        this.noteFailure(daemon, reason);
        if (++daemon.silence >= maxSilence) daemon.lost.abort(reason);
      }
    };
    await Promise.all(this.all.map(watchOne));
  }

  /** No new build goes to a daemon until it is heard of again. */
  noteFailure(daemon: Daemon, error: unknown): void {
    if (daemon.isHealthy) this.#options.log.warn({ buildkit: daemon.address }, messageOf(error));
    daemon.isHealthy = false;
  }

  close(): void {
    for (const { client } of this.#known.values()) client.close();
  }
}
