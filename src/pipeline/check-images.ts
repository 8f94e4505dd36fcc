import type { Fault } from "../errors.ts";
import { faultAt } from "../model/faults.ts";
import { splitTag } from "../model/image-name.ts";
import type { StackFunction } from "../model/stack.ts";

const maxWarnings = 20;

interface Named {
  readonly definition: StackFunction;
  /** The name that is built. */
  readonly image: string;
}

/**
 * Looks for functions whose images would replace each other.
 * @param text the stack file's text
 * @returns a warning for each function that has the image of an earlier one
 * @throws BuilderError `stack_invalid` where their names are different in the stack, and the same in the registry
 */
export function checkImages(functions: readonly Named[], text: string): readonly Fault[] {
  const first = new Map<string, StackFunction>();
  const warnings: Fault[] = [];
  for (const { definition, image } of functions) {
    const other = first.get(image);
    first.set(image, other ?? definition);
    if (!other || warnings.length >= maxWarnings) continue;
    const both = `functions ${other.name} and ${definition.name}`;
    const { location } = definition;
    const isSame = writtenImage(other) === writtenImage(definition);
    const message = isSame
      ? `${both} have the same image "${image}": the one that is built last stays`
      : `${both} would both be pushed as "${image}": only what follows the last "/" of an image counts`;
    const error = faultAt(text, { code: "stack_invalid", message, location });
    if (!isSame) throw error;
    warnings.push(...error.faults);
  }
  return warnings;
}

function writtenImage({ image, name }: StackFunction): string {
  const written = splitTag(image || name);
  return `${written.name}:${written.tag}`;
}
