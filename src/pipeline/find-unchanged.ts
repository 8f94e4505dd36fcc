import type { Context } from "../model/context.ts";
import { repositoryOf } from "../model/image-name.ts";
import type { GoodBuild } from "../model/inputs.ts";
import type { Outcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import { askingOnce, type InputHands, readInputs } from "./inputs.ts";
import { createLimit } from "./limit.ts";
import type { PlannedFunction } from "./plan.ts";

/** What is remembered of a repository's earlier builds, and what may be done with it. */
export interface MemoryHands extends Omit<InputHands, "onBug"> {
  /** The last good builds of the push's branch, by function. */
  readGoodBuilds(push: Push): Promise<ReadonlyMap<string, GoodBuild>>;
  storeGoodBuild(push: Push, name: string, build: GoodBuild): Promise<void>;
  /** Gives an image, `NAME@DIGEST`, a further name in its repository. @returns false when it is not there any more */
  copyImage(from: string, to: string, options: { signal: AbortSignal }): Promise<boolean>;
}

/** What of a push need not be built. Plain JSON: it is stored with the push. */
export interface Found {
  readonly unchanged: readonly Outcome[];
  /** Hashes of what the others are made of, by function; absent where it cannot be known. */
  readonly inputs: Readonly<Record<string, string>>;
}

interface Finding {
  readonly push: Push;
  readonly hands: MemoryHands & Pick<InputHands, "onBug">;
  /** Builds in spite of all. */
  readonly force: boolean;
  readonly signal: AbortSignal;
  contextOf(planned: PlannedFunction): Promise<Context>;
}

/** As many at once keep a registry busy without burdening it. */
const maxAtOnce = 8;

/**
 * Finds the functions of a push that are made of the same as their last good build: the image that this made gets the
 * name that the push asks for, and nothing is built. What fails in doing so is no fault: then the function is built.
 */
export async function findUnchanged(functions: readonly PlannedFunction[], finding: Finding): Promise<Found> {
  const { push, hands, signal } = finding;
  const asking = { ...hands, baseDigest: askingOnce(hands.baseDigest) };
  const limit = createLimit(maxAtOnce);
  const known = await hands.readGoodBuilds(push);
  const inputs: Record<string, string> = {};
  const outcomes = await Promise.all(
    functions.map((planned) =>
      limit(async () => {
        const startedMs = Date.now();
        const hash = await hashOf(planned, { ...finding, hands: asking });
        if (hash === undefined) return undefined;
        inputs[planned.name] = hash;
        const build = known.get(planned.name);
        if (finding.force || build?.inputs !== hash) return undefined;
        if (!(await takeOver(planned, build, { hands, signal }))) return undefined;
        return unchangedOutcome(planned, build, (Date.now() - startedMs) / 1000);
      }),
    ),
  );
  return { unchanged: outcomes.filter((outcome) => outcome !== undefined), inputs };
}

/** The outcome of a function whose earlier image is still the right one. */
export function unchangedOutcome(
  { name, image }: Pick<PlannedFunction, "name" | "image">,
  { digest, sha }: GoodBuild,
  seconds: number,
): Outcome {
  return { function: name, state: "unchanged", image, digest, sha, seconds };
}

async function hashOf(planned: PlannedFunction, { hands, signal, contextOf }: Finding): Promise<string | undefined> {
  try {
    return await readInputs(planned, await contextOf(planned), { hands, signal });
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

async function takeOver(
  { image }: PlannedFunction,
  build: GoodBuild,
  { hands, signal }: Pick<Finding, "hands" | "signal">,
): Promise<boolean> {
  const repository = repositoryOf(image);
  if (repositoryOf(build.image) !== repository) return false;
  try {
    return await hands.copyImage(`${repository}@${build.digest}`, image, { signal });
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
