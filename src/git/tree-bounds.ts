import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError } from "../errors.ts";

/** How much one checkout may cost. */
export interface CheckoutLimits {
  readonly maxBytes: number;
  readonly maxFiles: number;
  readonly timeMs: number;
}

export const defaultLimits: CheckoutLimits = { maxBytes: 2 * 1024 ** 3, maxFiles: 200_000, timeMs: 10 * 60 * 1000 };

const watchEveryMs = 500;

/**
 * Weighs what a fetch brings while it runs; git has no limit of its own.
 * @param onTooLarge told once, with the error to stop with
 * @returns ends the watch
 */
export function watchFetch(
  tree: string,
  { maxBytes }: CheckoutLimits,
  onTooLarge: (error: BuilderError) => void,
): () => void {
  const packs = join(tree, ".git", "objects", "pack");
  let weighing = false;
  const timer = setInterval(async () => {
    if (weighing) return;
    weighing = true;
    if ((await weigh(packs)) > maxBytes) onTooLarge(tooLarge(maxBytes));
    weighing = false;
  }, watchEveryMs);
  return () => clearInterval(timer);
}

/**
 * Checks a tree before a single file of it is written: small packs unfold to trees of any size.
 * @param listing `git ls-tree -r -l -z`
 * @throws BuilderError `context_invalid`
 */
export function checkTree(listing: string, { maxBytes, maxFiles }: CheckoutLimits): void {
  const entries = listing.split("\0").filter((entry) => entry !== "");
  if (entries.length > maxFiles) throw tooMany(maxFiles);
  const bytes = entries.reduce((sum, entry) => sum + (Number(/^\d+ \w+ \w+ +(\d+)\t/.exec(entry)?.[1]) || 0), 0);
  if (bytes > maxBytes) throw tooLarge(maxBytes);
}

/** The error of a tree with more files than may be. */
export function tooMany(maxFiles: number): BuilderError {
  return new BuilderError("context_invalid", `the repository has more than ${maxFiles} files`, {
    fix: "Keep generated and downloaded files out of the repository.",
  });
}

async function weigh(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function tooLarge(maxBytes: number): BuilderError {
  return new BuilderError("context_invalid", `the repository is larger than ${maxBytes} bytes at this commit`, {
    fix: "Keep large files out of the repository.",
  });
}
