import { BuilderError, type ErrorCode, type Fault, type Location } from "../errors.ts";

/**
 * How a piece of work ended, as plain JSON for the database. Errors are values here: an error that the engine stored
 * by itself would come back without its code, its place and its fix.
 */
export type StepRecord =
  | { readonly ok: true; readonly value?: unknown }
  | { readonly ok: false; readonly known: KnownError }
  | { readonly ok: false; readonly bug: { readonly message: string; readonly stack: string } };

interface KnownError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly fix: string;
  readonly location?: Location;
  readonly faults?: readonly Fault[];
}

/** What a step answers is kept with the push for weeks: a digest, a plan; never a log. */
const maxRecordBytes = 1024 * 1024;
const maxStackLength = 4000;

/** Runs work and puts down how it ended. Throws nothing but the errors that `unless` names. */
export async function recordOf(
  work: () => Promise<unknown>,
  { unless }: { unless?(error: unknown): boolean } = {},
): Promise<StepRecord> {
  try {
    const record: StepRecord = { ok: true, value: await work() };
    const bytes = Buffer.byteLength(JSON.stringify(record));
    if (bytes > maxRecordBytes) throw new Error(`a step answered ${bytes} bytes, at most ${maxRecordBytes} are kept`);
    return record;
  } catch (error) {
    if (unless?.(error)) throw error;
    return errorRecord(error);
  }
}

function errorRecord(error: unknown): StepRecord {
  if (error instanceof BuilderError) {
    const { code, message, fix, location, faults } = error;
    const told = faults.length > 0 ? { faults } : {};
    return { ok: false, known: { code, message, fix, ...(location && { location }), ...told } };
  }
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  return { ok: false, bug: { message, stack: stack.slice(0, maxStackLength) } };
}

/** Gives what was put down: the value is returned, a known error is a BuilderError again, a bug an Error. */
export function answerOf<T>(record: StepRecord): T {
  if (record.ok) return record.value as T;
  if ("known" in record) {
    const { code, message, fix, location, faults } = record.known;
    throw new BuilderError(code, message, { fix, ...(location && { location }), ...(faults && { faults }) });
  }
  const bug = new Error(record.bug.message);
  bug.stack = record.bug.stack;
  throw bug;
}
