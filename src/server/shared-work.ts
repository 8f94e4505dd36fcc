/** One of those who wait for the same work. */
export interface Watcher<Event> {
  readonly signal: AbortSignal;
  /** Hears of everything; of what was before it came, too, as far as that is kept. */
  onEvent(event: Event): void;
}

/** What work is given: it is told to stop when nobody waits for it any more. */
export interface WorkLife<Event> {
  readonly signal: AbortSignal;
  emit(event: Event): void;
}

/** Work that several ask for at the same time and that is done once. */
export interface SharedWork<Event, Result> {
  /**
   * Begins the work of an identity.
   * @throws what the work throws; the watcher's reason when it leaves while others stay
   */
  begin(identity: string, work: (life: WorkLife<Event>) => Promise<Result>, watcher: Watcher<Event>): Promise<Result>;
  /** Waits for the work of an identity that is under way; undefined where there is none. */
  join(identity: string, watcher: Watcher<Event>): Promise<Result> | undefined;
}

interface Running<Event, Result> {
  readonly stop: AbortController;
  readonly watchers: Set<Watcher<Event>>;
  readonly events: Event[];
  result: Promise<Result>;
}

/**
 * Creates a place for shared work. Whoever leaves last ends it, and waits until it has ended.
 * @param maxKeptBytes of events that are kept for those who come later, by `sizeOf`
 */
export function createSharedWork<Event, Result>(bounds: {
  maxKeptBytes: number;
  sizeOf: (event: Event) => number;
}): SharedWork<Event, Result> {
  const underWay = new Map<string, Running<Event, Result>>();

  return {
    begin(identity, work, watcher) {
      const running: Running<Event, Result> = {
        stop: new AbortController(),
        watchers: new Set([watcher]),
        events: [],
        result: new Promise(() => undefined),
      };
      const forget = () => {
        if (underWay.get(identity) === running) underWay.delete(identity);
      };
      // Nobody may join what is about to end.
      running.stop.signal.addEventListener("abort", forget, { once: true });
      underWay.set(identity, running);
      running.result = work({ signal: running.stop.signal, emit: createEmit(running, bounds) }).finally(forget);
      return watch(running, watcher);
    },
    join(identity, watcher) {
      const running = underWay.get(identity);
      if (!running) return undefined;
      for (const event of running.events) watcher.onEvent(event);
      running.watchers.add(watcher);
      return watch(running, watcher);
    },
  };
}

function createEmit<Event, Result>(
  { watchers, events }: Running<Event, Result>,
  { maxKeptBytes, sizeOf }: { maxKeptBytes: number; sizeOf: (event: Event) => number },
): (event: Event) => void {
  let bytes = 0;
  return (event) => {
    events.push(event);
    bytes += sizeOf(event);
    while (bytes > maxKeptBytes && events.length > 0) bytes -= sizeOf(events.shift() as Event);
    for (const watcher of watchers) watcher.onEvent(event);
  };
}

async function watch<Event, Result>(running: Running<Event, Result>, watcher: Watcher<Event>): Promise<Result> {
  const { promise: left, reject: leave } = Promise.withResolvers<never>();
  const onAbort = () => {
    running.watchers.delete(watcher);
    if (running.watchers.size === 0) running.stop.abort(watcher.signal.reason);
    else leave(watcher.signal.reason);
  };
  watcher.signal.addEventListener("abort", onAbort, { once: true });
  if (watcher.signal.aborted) onAbort();
  try {
    return await Promise.race([running.result, left]);
  } finally {
    watcher.signal.removeEventListener("abort", onAbort);
    running.watchers.delete(watcher);
  }
}
