import { constants } from "node:fs";
import { BuilderError } from "../errors.ts";
import { quoteName } from "./entry-name.ts";

const { S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK } = constants;

/**
 * Checks the kind of what shall be copied.
 * @throws BuilderError `context_invalid` for what is neither a file nor a folder
 */
export function checkKind(entryPath: string, kind: number): void {
  if (kind === S_IFREG || kind === S_IFDIR) return;
  const word = kind === S_IFIFO ? "pipe" : kind === S_IFSOCK ? "socket" : "device";
  throw new BuilderError(
    "context_invalid",
    `${quoteName(entryPath)} is a ${word}: expected files, folders and links to them`,
  );
}

/** What an entry is told by that the system does not let be read. */
export function unreadable(entryPath: string, cause: NodeJS.ErrnoException): BuilderError {
  const what = reasons.get(cause.code ?? "") ?? `cannot be read: ${cause.code}`;
  return new BuilderError("context_invalid", `${quoteName(entryPath)} ${what}`, { cause });
}

/** Reads what the system may not let be read. @throws BuilderError that tells it of the entry */
export function readable<T>(entryPath: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof BuilderError ? error : unreadable(entryPath, error as NodeJS.ErrnoException);
  }
}

const reasons = new Map([
  ["EISDIR", "is no file any more"],
  ["ESPIPE", "is no file any more"],
  ["ENAMETOOLONG", "cannot be read: its path is longer than the system allows"],
]);
