import { describeAbort } from "./call-error.ts";
import type { Daemon } from "./pool-daemons.ts";
import { orderFor } from "./rendezvous.ts";

/** The places of a pool's daemons, and the builds that wait for one. */
export interface Places {
  /**
   * Takes a place on the daemon that a key belongs to, or on the next one that has a free place; waits for one.
   * @param wish.except a daemon that is not to be taken
   * @throws BuilderError of the signal
   */
  take(wish: Wish, options: { signal: AbortSignal }): Promise<Daemon>;
  release(daemon: Daemon): void;
  /** Looks whether those who wait can be served: the daemons, or their health, have changed. */
  serve(): void;
  waiting(): number;
}

interface Wish {
  readonly key: string;
  readonly except?: Daemon;
}

interface Waiter extends Wish {
  resolve(daemon: Daemon): void;
}

/** Creates the places. @param slots of each daemon */
export function createPlaces(daemons: () => readonly Daemon[], { slots }: { slots: number }): Places {
  const waiters = new Set<Waiter>();
  const serve = () => {
    for (const waiter of waiters) {
      const daemon = pick(daemons(), waiter, slots);
      if (daemon === undefined) continue;
      daemon.running++;
      waiter.resolve(daemon);
    }
  };
  return {
    serve,
    waiting: () => waiters.size,
    release(daemon) {
      daemon.running--;
      serve();
    },
    take: (wish, { signal }) =>
      new Promise((resolve, reject) => {
        const leave = () => {
          signal.removeEventListener("abort", onAbort);
          waiters.delete(waiter);
        };
        const onAbort = () => {
          leave();
          reject(describeAbort(signal));
        };
        const waiter: Waiter = {
          ...wish,
          resolve(daemon) {
            leave();
            resolve(daemon);
          },
        };
        signal.addEventListener("abort", onAbort, { once: true });
        waiters.add(waiter);
        serve();
      }),
  };
}

/** Where no daemon is well any may be tried: it may have come back since it was checked. */
function pick(daemons: readonly Daemon[], { key, except }: Wish, slots: number): Daemon | undefined {
  const others = daemons.filter((daemon) => daemon !== except);
  const healthy = others.filter(({ isHealthy }) => isHealthy);
  const ordered = orderFor(key, healthy.length > 0 ? healthy : others, ({ address }) => address);
  return ordered.find(({ running }) => running < slots);
}
