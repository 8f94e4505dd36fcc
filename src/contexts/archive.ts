import type { Context } from "../model/context.ts";
import { indexTar } from "./tar-index.ts";

/** The archive of one build: its folder `context`, and the small files beside it. */
export interface Archive {
  readonly context: Context;
  /** See TarIndex.readFile. */
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
}

/**
 * Opens the archive that a client of the build API sent: an uncompressed tar with the context in a folder `context`.
 * @throws BuilderError `tar_invalid`
 */
export async function openArchive(file: string, { signal }: { signal: AbortSignal }): Promise<Archive> {
  const index = await indexTar(file, { signal });
  return { context: index.context("context"), readFile: index.readFile };
}
