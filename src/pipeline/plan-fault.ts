import { BuilderError, type ErrorCode, type Location } from "../errors.ts";
import type { StackFunction } from "../model/stack.ts";

/** A fault of one function's definition, with its place in the stack file: its `lang` for a template, else itself. */
export function planFault(
  definition: StackFunction,
  code: "stack_invalid" | "template_unknown",
  message: string,
): BuilderError {
  const location = code === "template_unknown" ? definition.langLocation : definition.location;
  return new BuilderError(code, `${location.path} line ${location.line}: function ${definition.name} ${message}`, {
    location,
  });
}

/** Gives an error without a place the one in the stack file that caused it. */
export function placedAt(location: Location, error: unknown, codes?: readonly ErrorCode[]): unknown {
  if (!(error instanceof BuilderError) || error.location || codes?.includes(error.code) === false) return error;
  return new BuilderError(error.code, `${location.path} line ${location.line}: ${error.message}`, {
    cause: error,
    location,
    fix: error.fix,
  });
}
