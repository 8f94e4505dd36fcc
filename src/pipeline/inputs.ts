import { BuilderError } from "../errors.ts";
import { type Context, readText } from "../model/context.ts";
import { imagesOfDockerfile } from "../model/dockerfile-images.ts";
import { hashInputs } from "../model/inputs.ts";
import type { PlannedFunction } from "./plan.ts";

/** What it takes to know what an image would be made of. */
export interface InputHands {
  /** Hash of everything in a function's context. */
  hashContext(planned: PlannedFunction, context: Context, options: { signal: AbortSignal }): Promise<string>;
  /** The digest that an image has in its registry now. */
  baseDigest(image: string, options: { signal: AbortSignal }): Promise<string | undefined>;
  /** Which program builds, with its version and whatever else holds for every build. */
  readonly builder: string;
  /** Hears of what is no fault of the function's files. */
  onBug(error: unknown): void;
}

const maxDockerfileBytes = 1024 * 1024;

/**
 * The hash of everything that a function's image would be made of.
 * @returns undefined where it cannot be known: then only a build tells, and tells of any fault better than this could
 */
export async function readInputs(
  planned: PlannedFunction,
  context: Context,
  { hands, signal }: { hands: InputHands; signal: AbortSignal },
): Promise<string | undefined> {
  const kept = keepRoot(context);
  try {
    const bases = await readBases(planned, kept, { hands, signal });
    if (!bases) return undefined;
    const { buildArgs, platforms, template } = planned;
    return hashInputs({
      context: await hands.hashContext(planned, kept, { signal }),
      buildArgs,
      platforms,
      ...(template && { template }),
      bases,
      builder: hands.builder,
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof BuilderError)) hands.onBug(error);
    return undefined;
  }
}

/** The root is looked into for the Dockerfile and each .dockerignore, and is all there is of most functions. */
function keepRoot(context: Context): Context {
  let root: ReturnType<Context["list"]> | undefined;
  return {
    list(directory) {
      if (directory !== "") return context.list(directory);
      root ??= context.list("");
      return root;
    },
    ahead: (directories) => context.ahead?.(directories),
  };
}

async function readBases(
  { buildArgs }: PlannedFunction,
  context: Context,
  { hands, signal }: { hands: InputHands; signal: AbortSignal },
): Promise<Record<string, string> | undefined> {
  const dockerfile = await readText(context, "Dockerfile", maxDockerfileBytes);
  const images = dockerfile === undefined ? undefined : imagesOfDockerfile(dockerfile, buildArgs);
  if (!images) return undefined;
  const bases: Record<string, string> = {};
  for (const image of images) {
    const pinned = /@(sha256:[0-9a-f]{64})$/.exec(image)?.[1];
    const digest = pinned ?? (await hands.baseDigest(image, { signal }));
    if (digest === undefined) return undefined;
    bases[image] = digest;
  }
  return bases;
}
