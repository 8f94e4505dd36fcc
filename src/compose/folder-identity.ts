import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Names one folder of one machine, for the uploads that BuildKit keeps: of what it has under a name it takes a file as
 * unchanged whose size and time are the same, whatever is in it. So the name goes with the files and not with their
 * path: a folder that is made anew, or lies at the same path elsewhere, may hold others of the same size and time.
 * @param folder absolute path of a folder that exists
 */
export function folderIdentity(folder: string): string {
  const { ino, birthtimeNs } = statSync(folder, { bigint: true });
  const marks = [hostname(), folder, String(ino), String(birthtimeNs)];
  return createHash("sha256").update(JSON.stringify(marks)).digest("hex").slice(0, 32);
}
