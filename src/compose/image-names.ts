import { resolve } from "node:path";
import { digestHandler } from "../contexts/handler-digest.ts";
import { imageOfStack, type TagFormat, tagPart } from "../model/image-name.ts";
import type { PlanHands } from "../pipeline/plan.ts";
import { placedAt } from "../pipeline/plan-fault.ts";

/**
 * Creates what names the images of a folder's functions: as the stack does, with what the tag format adds.
 * @throws BuilderError `usage` where the format needs a commit and the folder has none
 */
export async function createImageNames(
  format: TagFormat,
  { folder, signal }: { folder: string; signal: AbortSignal },
): Promise<PlanHands["imageOf"]> {
  if (format === "latest") return ({ image, name }) => imageOfStack(image || name);
  if (format === "digest") {
    return async ({ image, name, handler, handlerLocation }) => {
      const digesting = digestHandler(resolve(folder, handler), { within: folder, signal });
      const digest = await digesting.catch((error) => {
        throw placedAt(handlerLocation, error);
      });
      return imageOfStack(image || name, () => digest);
    };
  }
  const version = await readVersion(format, folder, signal);
  return ({ image, name }) => imageOfStack(image || name, (tag) => `${tag}-${version}`);
}

/** Git's module is loaded only where it is asked for: nothing else of most builds needs it. */
async function readVersion(format: "sha" | "branch" | "describe", folder: string, signal: AbortSignal) {
  const { readCommitName } = await import("../git/read-head.ts");
  if (format !== "branch") return readCommitName(folder, format, { signal });
  const branch = await readCommitName(folder, "branch", { signal });
  return `${tagPart(branch)}-${await readCommitName(folder, "sha", { signal })}`;
}
