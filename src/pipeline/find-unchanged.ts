import type { Context } from "../model/context.ts";
import { repositoryOf } from "../model/image-name.ts";
import type { GoodBuild } from "../model/inputs.ts";
import type { Outcome } from "../model/outcome.ts";
import type { Push } from "../model/push.ts";
import { askingOnce } from "./asking-once.ts";
import { type InputHands, readInputs } from "./inputs.ts";
import { createLimit } from "./limit.ts";
import type { PlannedFunction } from "./plan.ts";

/** What is remembered of a repository's earlier builds, and what may be done with it. */
export interface MemoryHands extends Omit<InputHands, "onBug"> {
  /** The last good builds of the push's branch, by function. */
  readGoodBuilds(push: Push): Promise<ReadonlyMap<string, GoodBuild>>;
  /** Remembers what the branch stands for from now on, unless a later push has said so. */
  storeGoodBuild(push: Push, name: string, build: GoodBuild & { readonly order: string }): Promise<void>;
  /** Gives an image, `NAME@DIGEST`, a further name in its repository. @returns false when it is not there any more */
  copyImage(from: string, to: string, options: { signal: AbortSignal }): Promise<boolean>;
}

/** What is known of a function before it is built. Plain JSON: it is stored with the push. */
export interface Found {
  readonly name: string;
  /** Hash of what it is made of. */
  readonly inputs: string;
  /** Its last good build, where that was made of the same. */
  readonly same?: GoodBuild;
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
 * Finds the functions of a push that are made of the same as their last good build. What fails in doing so is no fault:
 * then the function is built.
 * @returns nothing of functions of which it cannot be known
 */
export async function findUnchanged(
  functions: readonly PlannedFunction[],
  finding: Finding,
): Promise<readonly Found[]> {
  const { push, hands } = finding;
  const asking = { ...hands, baseDigest: askingOnce(hands.baseDigest) };
  const limit = createLimit(maxAtOnce);
  const known = await hands.readGoodBuilds(push);
  const look = async (planned: PlannedFunction): Promise<Found | undefined> => {
    const inputs = await hashOf(planned, { ...finding, hands: asking });
    if (inputs === undefined) return undefined;
    const build = known.get(planned.name);
    const isSame = !finding.force && build?.inputs === inputs;
    return { name: planned.name, inputs, ...(isSame && { same: build }) };
  };
  const found = await Promise.all(functions.map((planned) => limit(() => look(planned))));
  return found.filter((each) => each !== undefined);
}

/**
 * Gives the images of earlier builds the names that a push asks for.
 * @returns the outcomes of the functions of which this was possible; the others have to be built
 */
export async function takeOverImages(
  functions: readonly { readonly planned: PlannedFunction; readonly build: GoodBuild }[],
  {
    push,
    order,
    hands,
    signal,
  }: {
    push: Push;
    order?: string;
    hands: Pick<MemoryHands, "copyImage" | "storeGoodBuild">;
    signal: AbortSignal;
  },
): Promise<readonly Outcome[]> {
  const limit = createLimit(maxAtOnce);
  const outcomes = await Promise.all(
    functions.map(({ planned, build }) =>
      limit(async () => {
        const startedMs = Date.now();
        if (!(await takeOver(planned, build, { hands, signal }))) return undefined;
        // An older push that still builds shall not put its image in this one's place.
        if (order !== undefined) await hands.storeGoodBuild(push, planned.name, { ...build, order });
        return unchangedOutcome(planned, build, (Date.now() - startedMs) / 1000);
      }),
    ),
  );
  return outcomes.filter((outcome) => outcome !== undefined);
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
  { hands, signal }: { hands: Pick<MemoryHands, "copyImage">; signal: AbortSignal },
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
