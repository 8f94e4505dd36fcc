import { cleanLine } from "../model/terminal-text.ts";
import { formatSeconds } from "./progress-numbers.ts";
import type { Change, FunctionState } from "./progress-state.ts";

/**
 * Draws changes of one function for an output that cannot be redrawn, such as a CI log: lines that begin with the
 * function's name, so that `grep '^hello |'` finds one function's story among all.
 */
export function drawPlain({ name }: Pick<FunctionState, "name">, changes: readonly Change[]): readonly string[] {
  return changes.flatMap(describe).map((line) => `${name} | ${line}`.trimEnd());
}

function describe(change: Change): string | readonly string[] {
  if (change.kind === "warning") {
    const [first = "", ...more] = change.lines;
    return [`warning: ${first}`, ...more];
  }
  const { step } = change;
  if (change.kind === "started") return `#${step.number} ${step.name}`;
  if (change.kind === "line") return `#${step.number} ${change.seconds.toFixed(3)} ${change.text}`;
  if (step.error !== "") return `#${step.number} failed ${formatSeconds(change.seconds)}: ${cleanLine(step.error)}`;
  return step.cached ? `#${step.number} cached` : `#${step.number} done ${formatSeconds(change.seconds)}`;
}
