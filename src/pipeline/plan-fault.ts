import { BuilderError, type ErrorCode, type Location } from "../errors.ts";
import { faultAt } from "../model/faults.ts";
import type { StackFunction } from "../model/stack.ts";

/** A fault of one function's definition, with its place in the stack file: where it is not given the function's name. */
export function planFault(
  definition: StackFunction,
  message: string,
  { code = "stack_invalid", at: location = definition.location }: { code?: ErrorCode; at?: Location } = {},
): BuilderError {
  return new BuilderError(code, `${location.path} line ${location.line}: function ${definition.name} ${message}`, {
    location,
  });
}

/** A fault of a function's template, with the place of its `lang` where no other is given. */
export function templateFault(definition: StackFunction, message: string, at = definition.langLocation): BuilderError {
  return planFault(definition, message, { code: "template_unknown", at });
}

/** Gives an error without a place the one in the stack file that caused it. */
export function placedAt(location: Location, error: unknown, codes?: readonly ErrorCode[]): unknown {
  if (!(error instanceof BuilderError) || error.location || codes?.includes(error.code) === false) return error;
  return error.with({ message: `${location.path} line ${location.line}: ${error.message}`, location });
}

/** An error with a place in the stack file, unlike a bug or a party that does not answer. */
export type PlacedError = BuilderError & { readonly location: Location };

/** Whether a function's definition is to blame. */
export function isPlaced(error: unknown): error is PlacedError {
  return error instanceof BuilderError && error.location !== undefined && !error.transient;
}

/**
 * Gives an error of one function the line at fault.
 * @param stack the stack file's path and text
 */
export function withFaults(error: PlacedError, { file, text }: { file: string; text: string }): BuilderError {
  if (error.faults.length > 0 || error.location.path !== file) return error;
  const { code, location } = error;
  const prefix = `${file} line ${location.line}: `;
  const message = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
  const { faults } = faultAt(text, { code, message, location });
  return error.with({ faults, faultCount: faults.length });
}
