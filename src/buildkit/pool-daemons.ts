import { BuilderError, messageOf } from "../errors.ts";
import { type Endpoint, parseAddress } from "./address.ts";
import { describeUnreachable } from "./call-error.ts";
import { type Buildkit, createBuildkit } from "./client.ts";
import { checkVersion, createVersionQuestion } from "./daemon-version.ts";
import type { ClientLog } from "./one-build.ts";
import { type DaemonAddress, findDaemons, type LookUp, tlsOf } from "./pool-addresses.ts";
import { type Pulse, startPulse } from "./pulse.ts";
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
  /** Looks after it; undefined where it is the only one, and there is no other place for what it loses. */
  pulse: Pulse | undefined;
}

export interface DaemonsOptions {
  /** As `parseAddress` takes them; a host name may stand for several daemons. */
  readonly addresses: readonly string[];
  readonly tls?: TlsFiles | undefined;
  /** Accepts daemons that are older than the security floor. */
  readonly force?: boolean;
  /** Finds the addresses of a host name; the system's way where absent. */
  readonly lookUp?: LookUp;
  readonly log: ClientLog;
}

interface Watching {
  /** Called when what is known of a daemon may have changed; where absent none is watched. */
  readonly onNews?: (() => void) | undefined;
}

/** The daemons of a pool as they are found at the moment. */
export class Daemons {
  readonly #options: DaemonsOptions & Watching;
  #known = new Map<string, Daemon>();
  /** Not found any more, but at work. */
  #leaving: readonly Daemon[] = [];
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: DaemonsOptions & Watching) {
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
      if (this.#isClosed) return;
      const before = new Map([...this.#leaving, ...this.all].map((daemon) => [daemon.address, daemon]));
      this.#known = new Map(
        found.map((daemon) => [daemon.address, before.get(daemon.address) ?? this.#create(daemon)]),
      );
      this.#leaving = [...before.values()].filter((daemon) => this.#known.get(daemon.address) !== daemon);
      this.#dismiss(({ running }) => running === 0);
    } catch (error) {
      if (this.#known.size === 0) throw error;
      log.warn({ buildkit: addresses.join() }, `the daemons that are known stay: ${messageOf(error)}`);
    }
    this.#refreshedAt = performance.now();
  }

  #create(found: DaemonAddress): Daemon {
    const { address } = found;
    const { tls, force = false, log, onNews } = this.#options;
    const named = tlsOf(found, tls);
    const client = createBuildkit({ address, tls: named, force, log });
    const counts = { running: 0, built: 0, failures: 0 };
    const state = { version: undefined, isHealthy: true, lost: new AbortController(), pulse: undefined };
    const daemon: Daemon = { address, client, ...state, ...counts };
    if (onNews !== undefined)
      daemon.pulse = this.#watch(daemon, { endpoint: parseAddress(address, { tls: named }), onNews });
    return daemon;
  }

  #watch(daemon: Daemon, { endpoint, onNews }: { endpoint: Endpoint; onNews: () => void }): Pulse {
    const { force = false } = this.#options;
    const question = createVersionQuestion(endpoint);
    const doubt = (error: unknown) => {
      this.noteFailure(daemon, describeSilence(daemon, error));
      onNews();
    };
    const pulse = startPulse({
      async ask({ signal }) {
        const version = await question.ask({ signal });
        if (!force) checkVersion(version, daemon.address);
        return version;
      },
      onAnswer: (version) => {
        this.#noteAnswer(daemon, version);
        onNews();
      },
      onDoubt: doubt,
      onLost(error) {
        daemon.lost.abort(describeSilence(daemon, error));
        doubt(error);
      },
    });
    return {
      stop() {
        pulse.stop();
        question[Symbol.dispose]();
      },
    };
  }

  /** Asks a daemon whether it is well, and notes the answer. @throws BuilderError as the client's check does */
  async check(daemon: Daemon, { signal }: { signal: AbortSignal }): Promise<string> {
    try {
      const { version } = await daemon.client.check({ signal });
      this.#noteAnswer(daemon, version);
      return version;
    } catch (error) {
      if (!signal.aborted) this.noteFailure(daemon, error);
      throw error;
    }
  }

  #noteAnswer(daemon: Daemon, version: string): void {
    if (!daemon.isHealthy) this.#options.log.info({ buildkit: daemon.address }, "BuildKit answers again");
    if (daemon.lost.signal.aborted) daemon.lost = new AbortController();
    Object.assign(daemon, { version, isHealthy: true });
  }

  /** No new build goes to a daemon until it is heard of again. */
  noteFailure(daemon: Daemon, error: unknown): void {
    if (daemon.isHealthy) this.#options.log.warn({ buildkit: daemon.address }, messageOf(error));
    daemon.isHealthy = false;
  }

  /** Ends what runs on them, and looks after none any more. */
  close(): void {
    this.#isClosed = true;
    this.#leaving = [...this.#leaving, ...this.all];
    this.#dismiss(() => true);
  }

  #dismiss(isDone: (daemon: Daemon) => boolean): void {
    for (const { client, pulse } of this.#leaving.filter(isDone)) {
      pulse?.stop();
      client.close();
    }
    this.#leaving = this.#leaving.filter((daemon) => !isDone(daemon));
  }
}

/** What the watch itself found out has no address yet. */
function describeSilence({ address }: Daemon, error: unknown): BuilderError {
  return error instanceof BuilderError ? error : describeUnreachable(address, error);
}
