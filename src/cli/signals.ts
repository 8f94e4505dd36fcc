import { BuilderError } from "../errors.ts";

/**
 * What comes so soon after the first signal is no second one: systemd and timeout(1) signal all processes of a group,
 * and bin/of-builder.js passes on what it gets.
 */
const sameSignalMs = 500;

/**
 * Waits for SIGINT or SIGTERM, then stops. A second signal leaves at once: unfinished work continues at the next start.
 * @param leave tells whoever waits for something that it will not come; in a moment, as the process ends after it
 */
export async function untilTold(
  stop: (signal: string) => Promise<void>,
  leave: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const told = Promise.withResolvers<string>();
  const second = () => void leave().finally(() => process.exit(1));
  using _signals = onSignals({ first: told.resolve, second });
  await stop(await told.promise);
}

/** Aborts on SIGINT or SIGTERM while it is in scope; a second signal ends the process as it does by default. */
export function abortOnSignal(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const signals = onSignals({
    first: () => controller.abort(new BuilderError("build_cancelled", "the build was interrupted")),
    second(name) {
      signals[Symbol.dispose]();
      process.kill(process.pid, name);
    },
  });
  return { signal: controller.signal, [Symbol.dispose]: () => signals[Symbol.dispose]() };
}

interface SignalListener {
  first(name: NodeJS.Signals): void;
  second(name: NodeJS.Signals): void;
}

function onSignals({ first, second }: SignalListener): Disposable {
  let firstAt: number | undefined;
  const hear = (name: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      first(name);
    } else if (performance.now() - firstAt > sameSignalMs) {
      second(name);
    }
  };
  process.on("SIGINT", hear).on("SIGTERM", hear);
  return { [Symbol.dispose]: () => void process.off("SIGINT", hear).off("SIGTERM", hear) };
}
