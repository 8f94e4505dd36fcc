import { BuilderError, type Fault } from "../errors.ts";
import { joinErrors, withoutFollowers } from "../model/faults.ts";
import { isPlaced, withFaults } from "./plan-fault.ts";

/** As many faults as people are shown: behind them neither lines nor templates are looked for. */
export const maxErrors = 20;

/** What keeps a stack from being planned. */
export interface Troubles {
  /** Whether templates may be asked for that nobody has asked for yet. */
  mayAsk(): boolean;
  /** @throws the error itself where it is a bug, or no fault of the stack */
  add(error: unknown): void;
  /** Adds what the work throws. @returns undefined for that */
  attempt<T>(work: () => T | Promise<T>): Promise<T | undefined>;
  /** @throws BuilderError with all faults, else what did not answer */
  check(): void;
}

/**
 * Gathers what is wrong with one stack file.
 * @param given.warnings are told beside its faults, those included that are found later
 */
export function collectTroubles({
  file,
  text,
  warnings,
}: {
  file: string;
  text: string;
  warnings: readonly Fault[];
}): Troubles {
  const errors: BuilderError[] = [];
  let silence: BuilderError | undefined;
  let isWhole = true;
  const add = (error: unknown) => {
    if (isPlaced(error)) errors.push(errors.length < maxErrors ? withFaults(error, { file, text }) : error);
    else if (error instanceof BuilderError && error.transient) silence ??= error;
    else throw error;
  };
  return {
    mayAsk() {
      const count = errors.reduce((sum, { faultCount }) => sum + Math.max(faultCount, 1), 0);
      isWhole &&= count < maxErrors && silence === undefined;
      return isWhole;
    },
    add,
    async attempt(work) {
      try {
        return await work();
      } catch (error) {
        add(error);
        return undefined;
      }
    },
    check() {
      const [first, ...others] = withoutFollowers(errors);
      if (first) throw joinErrors([first, ...others], { warnings: withoutFollowers(warnings), isWhole });
      if (silence) throw silence;
    },
  };
}
