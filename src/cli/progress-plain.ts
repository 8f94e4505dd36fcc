import { cleanLine } from "../model/terminal-text.ts";
import { formatSeconds } from "./progress-numbers.ts";
import type { Change, FunctionState } from "./progress-state.ts";

/**
 * Draws changes of one function for an output that cannot be redrawn, such as a CI log: a line each, which begins with
 * the function's name, so that `grep '^hello |'` finds one function's story among all.
 */
export function drawPlain({ name }: Pick<FunctionState, "name">, changes: readonly Change[]): readonly string[] {
  return changes.map((change) => `${name} | ${describe(change)}`.trimEnd());
}

function describe(change: Change): string {
  if (change.kind === "warning") {
    const { location, text } = change;
    return location ? `warning: ${cleanLine(location.path)}:${location.line}: ${text}` : `warning: ${text}`;
  }
  const { step } = change;
  if (change.kind === "started") return `#${step.number} ${step.name}`;
  if (change.kind === "line") return `#${step.number} ${change.seconds.toFixed(3)} ${change.text}`;
  if (step.error !== "") return `#${step.number} failed ${formatSeconds(change.seconds)}: ${cleanLine(step.error)}`;
  return step.cached ? `#${step.number} cached` : `#${step.number} done ${formatSeconds(change.seconds)}`;
}
