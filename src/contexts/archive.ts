import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "../model/context.ts";
import { indexTar } from "./tar-index.ts";
import { type Unpacking, unpack } from "./unpack.ts";

/** The archive of one build: its folder `context`, and the small files beside it. */
export interface Archive {
  readonly context: Context;
  /** See TarIndex.entries. */
  readonly entries: number;
  /** The plain tar. */
  readonly file: string;
  /** See TarIndex.readFile. */
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
}

/**
 * Opens the archive that a client of the build API sent: a tar with the context in a folder `context`. Where it is
 * packed it is replaced by a plain one in the folder.
 * @param options.folder of the file; owned by the caller, for as long as the archive is used
 * @throws BuilderError `tar_invalid`, `body_too_large`, `not_configured`
 */
export async function openArchive(
  file: string,
  { folder, ...options }: { folder: string } & Omit<Unpacking, "target">,
): Promise<Archive> {
  const plain = await unpack(file, { ...options, target: join(folder, "archive.tar") });
  if (plain !== file) await rm(file);
  const index = await indexTar(plain, options);
  const { entries, readFile } = index;
  return { context: index.context("context"), entries, file: plain, readFile };
}
