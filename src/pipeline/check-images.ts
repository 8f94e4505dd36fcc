import type { BuilderError, Fault } from "../errors.ts";
import { faultAt } from "../model/faults.ts";
import { splitTag } from "../model/image-name.ts";
import type { StackFunction } from "../model/stack.ts";

interface Named {
  readonly definition: StackFunction;
  /** The name that is built. */
  readonly image: string;
}

/**
 * Looks for functions whose images would replace each other.
 * @param text the stack file's text
 * @returns for each function that has the image of an earlier one a warning where the stack says so, else the error
 *   `stack_invalid`: their names are different in the stack, and the same in the registry
 */
export function checkImages(
  functions: readonly Named[],
  text: string,
): { errors: readonly BuilderError[]; warnings: readonly Fault[] } {
  const first = new Map<string, StackFunction>();
  const errors: BuilderError[] = [];
  const warnings: Fault[] = [];
  for (const { definition, image } of functions) {
    const other = first.get(image);
    first.set(image, other ?? definition);
    if (!other) continue;
    const both = `functions ${other.name} and ${definition.name}`;
    const { location } = definition;
    const isSame = writtenImage(other) === writtenImage(definition);
    const message = isSame
      ? `${both} have the same image "${image}": the one that is built last stays`
      : `${both} would both be pushed as "${image}": only what follows the last "/" of an image counts`;
    const error = faultAt(text, { code: "stack_invalid", message, location });
    if (isSame) warnings.push(...error.faults);
    else errors.push(error);
  }
  return { errors, warnings };
}

function writtenImage({ image, name }: StackFunction): string {
  const written = splitTag(image || name);
  return `${written.name}:${written.tag}`;
}
