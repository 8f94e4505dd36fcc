import { BuilderError } from "../errors.ts";
import { weighFiles } from "./mirrors.ts";

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
 * @param packs the folder that git writes its packs to
 * @param onTooLarge told once, with the error to stop with
 * @returns ends the watch
 */
export function watchFetch(
  packs: string,
  { maxBytes }: CheckoutLimits,
  onTooLarge: (error: BuilderError) => void,
): () => void {
  let weighing = false;
  const timer = setInterval(async () => {
    if (weighing) return;
    weighing = true;
    if ((await weighFiles(packs)) > maxBytes) onTooLarge(tooLarge(maxBytes));
    weighing = false;
  }, watchEveryMs);
  return () => clearInterval(timer);
}

/**
 * Checks a tree before a single file of it is written: small packs unfold to trees of any size.
 * @param listing `git ls-tree -r -l -z`
 * @returns what it holds
 * @throws BuilderError `context_invalid`
 */
export function checkTree(
  listing: string,
  { maxBytes, maxFiles }: CheckoutLimits,
): { files: number; bytes: number; attributes: string } {
  const entries = listing.split("\0").filter((entry) => entry !== "");
  if (entries.length > maxFiles) throw tooMany(maxFiles);
  const bytes = entries.reduce((sum, entry) => sum + (Number(/^\d+ \w+ \w+ +(\d+)\t/.exec(entry)?.[1]) || 0), 0);
  if (bytes > maxBytes) throw tooLarge(maxBytes);
  // Without regard to case, as git looks for them on some disks.
  const attributes = entries.filter((entry) => /[\t/]\.gitattributes$/i.test(entry)).join("\0");
  return { files: entries.length, bytes, attributes };
}

/** The error of a tree with more files than may be. */
export function tooMany(maxFiles: number): BuilderError {
  return new BuilderError("context_invalid", `the repository has more than ${maxFiles} files`, {
    fix: "Keep generated and downloaded files out of the repository.",
  });
}

/** The error of a tree with more bytes than may be. */
export function tooLarge(maxBytes: number): BuilderError {
  return new BuilderError("context_invalid", `the repository is larger than ${maxBytes} bytes at this commit`, {
    fix: "Keep large files out of the repository.",
  });
}
