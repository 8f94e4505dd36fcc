import { type ContextHash, hashContext } from "../contexts/hash.ts";
import type { Log } from "../log.ts";
import type { Context } from "../model/context.ts";
import { askingOnce, type InputHands, readInputs } from "../pipeline/inputs.ts";
import type { PlannedFunction } from "../pipeline/plan.ts";
import type { LocalChanges } from "../pipeline/run-build.ts";
import { builderName, walk } from "./context-inputs.ts";
import type { LocalMemory } from "./local-memory.ts";
import type { PushTarget } from "./push-target.ts";

interface LocalChangesOptions {
  readonly memory: LocalMemory;
  readonly target: PushTarget;
  /** The images are wanted in their registry, not only built. */
  readonly push: boolean;
  /** Nothing counts as unchanged. */
  readonly force: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Creates the way to tell which functions of a folder have changed since they were last built on this machine. */
export function createLocalChanges(options: LocalChangesOptions): LocalChanges {
  const { memory, target, push, force, log, signal } = options;
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

  const isInRegistry = async (image: string, digest: string) => {
    try {
      return (await target.readDigest(image, { signal })) === digest;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  };

  return {
    async findUnchanged(planned, context) {
      const { name, image } = planned;
      const build = memory.find(name, image);
      const now = await read(planned, context, build?.context);
      if (!now) return undefined;
      seen.set(name, now);
      if (force || !build || build.inputs !== now.inputs) return undefined;
      if (push && !(await isInRegistry(image, build.digest))) return undefined;
      // The stamp may have become a good one by now: the next time no file has to be read.
      if (now.context.stamp !== build.context.stamp || now.context.settled !== build.context.settled) {
        memory.keep(name, image, { ...build, context: now.context });
      }
      return build;
    },
    async keep(planned, context, digest) {
      const { name, image } = planned;
      const before = seen.get(name);
      // The stamp was taken a moment ago: whether it would still tell of a change tomorrow does not matter here.
      const after = before && (await read(planned, context, { ...before.context, settled: true }));
      if (after?.inputs !== before?.inputs || !after) return;
      memory.keep(name, image, { inputs: after.inputs, image, digest, sha: "", context: after.context });
    },
  };
}
