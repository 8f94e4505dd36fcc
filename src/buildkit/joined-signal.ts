/** A signal that aborts with the first of several; disposing of it lets go of them. */
export interface JoinedSignal extends Disposable {
  readonly signal: AbortSignal;
}

/**
 * Joins signals of which one lives long. AbortSignal.any would be held by that one for as long as it lives (node 24: a
 * kilobyte each): with a client that builds for months that is a leak.
 */
export function joinSignals(signals: readonly AbortSignal[]): JoinedSignal {
  const joined = new AbortController();
  const links = signals.map((signal) => {
    const abort = () => joined.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    return () => signal.removeEventListener("abort", abort);
  });
  return {
    signal: joined.signal,
    [Symbol.dispose]() {
      for (const unlink of links) unlink();
    },
  };
}
