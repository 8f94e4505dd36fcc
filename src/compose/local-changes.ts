import { type ContextHash, hashContext } from "../contexts/hash.ts";
import type { Log } from "../log.ts";
import type { Context } from "../model/context.ts";
import { repositoryOf } from "../model/image-name.ts";
import { askingOnce } from "../pipeline/asking-once.ts";
import { type InputHands, readInputs } from "../pipeline/inputs.ts";
import type { PlannedFunction } from "../pipeline/plan.ts";
import type { LocalChanges } from "../pipeline/run-build.ts";
import { builderName, walk } from "./context-inputs.ts";
import type { LocalBuild, LocalMemory } from "./local-memory.ts";
import type { PushTarget } from "./push-target.ts";

interface LocalChangesOptions {
  readonly memory: LocalMemory;
  readonly target: PushTarget;
  /** The images are wanted in their registry, not only built. */
  readonly push: boolean;
  /** Nothing counts as unchanged. */
  readonly force: boolean;
  /** The commit that the folder is, "" where it is none or has changed since; asked for once something was built. */
  commit(): Promise<string>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Creates the way to tell which functions of a folder have changed since they were last built on this machine. */
export function createLocalChanges(options: LocalChangesOptions): LocalChanges {
  const { memory, target, push, force, commit, log, signal } = options;
  let built: Promise<string> | undefined;
  const seen = new Map<string, { context: ContextHash; inputs: string }>();
  const baseDigest = askingOnce(target.baseDigest);

  const read = async (planned: PlannedFunction, context: Context, known: ContextHash | undefined) => {
    let hash: ContextHash | undefined;
    const hands: InputHands = {
      async hashContext(_planned, hashed) {
        hash = await hashContext(hashed, { walk, known, signal });
        return hash.content;
      },
      baseDigest,
      builder: builderName,
      onBug: (error) => log.error({ err: error }, "bug"),
    };
    const inputs = await readInputs(planned, context, { hands, signal });
    return hash && inputs !== undefined ? { context: hash, inputs } : undefined;
  };

  /** Whether an earlier image has the name where it is wanted; in a registry it is given it. */
  const hasName = async (image: string, build: LocalBuild) => {
    // Only a build can give a name to what was never pushed, wherever BuildKit keeps that.
    if (!push) return build.image === image;
    try {
      if ((await target.readDigest(image, { signal })) === build.digest) return true;
      return await target.copyImage(`${repositoryOf(image)}@${build.digest}`, image, { signal });
    } catch {
      signal.throwIfAborted();
      return false;
    }
  };

  return {
    async findSame(planned, context) {
      const { name, image } = planned;
      const build = memory.find(name, image);
      const now = await read(planned, context, build?.context);
      if (!now) return undefined;
      seen.set(name, now);
      return !force && build?.inputs === now.inputs ? build : undefined;
    },
    async takeOver({ name, image }) {
      const [build, now] = [memory.find(name, image), seen.get(name)];
      if (!build || !now || !(await hasName(image, build))) return false;
      // The stamp may have become a good one by now: the next time no file has to be read.
      const { stamp, settled } = now.context;
      if (image !== build.image || stamp !== build.context.stamp || settled !== build.context.settled) {
        memory.keep(name, { ...build, image, context: now.context });
      }
      return true;
    },
    async keep(planned, context, digest) {
      const { name, image } = planned;
      const before = seen.get(name);
      // The stamp was taken a moment ago: whether it would still tell of a change tomorrow does not matter here.
      const after = before && (await read(planned, context, { ...before.context, settled: true }));
      if (after?.inputs !== before?.inputs || !after) return;
      built ??= commit();
      memory.keep(name, { inputs: after.inputs, image, digest, sha: await built, context: after.context });
    },
  };
}
