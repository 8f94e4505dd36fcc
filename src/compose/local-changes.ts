import { type ContextHash, hashContext } from "../contexts/hash.ts";
import { createKeptContext, type KeptContext } from "../contexts/kept-context.ts";
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

/** What was found of a function. */
interface Looked {
  readonly context: ContextHash;
  readonly inputs: string;
}

interface Seen extends Looked {
  /** The context, where it holds all that was hashed; and how often the disk had been asked for it by then. */
  readonly kept?: { readonly context: KeptContext; readonly reads: number };
}

/** Creates what finds out what a function is made of; undefined where that cannot be known. */
function createReading({ target, log, signal }: LocalChangesOptions) {
  const baseDigest = askingOnce(target.baseDigest);

  return async (
    planned: PlannedFunction,
    context: Context,
    known: ContextHash | undefined,
  ): Promise<Looked | undefined> => {
    const startedMs = Date.now();
    let hash: ContextHash | undefined;
    const hands: InputHands = {
      async hashContext(_planned, hashed) {
        hash = await hashContext(hashed, { walk, known, startedMs, signal });
        return hash.content;
      },
      baseDigest,
      builder: builderName,
      onBug: (error) => log.error({ err: error }, "bug"),
    };
    const inputs = await readInputs(planned, context, { hands, signal });
    return hash && inputs !== undefined ? { context: hash, inputs } : undefined;
  };
}

/** Creates the way to tell which functions of a folder have changed since they were last built on this machine. */
export function createLocalChanges(options: LocalChangesOptions): LocalChanges {
  const { memory, target, push, force, commit, signal } = options;
  let built: Promise<string> | undefined;
  const seen = new Map<string, Seen>();
  const read = createReading(options);

  /** The stamp was taken a moment ago: whether it would still tell of a change tomorrow does not matter here. */
  const lookAgain = (planned: PlannedFunction, context: Context, { context: known }: Looked) =>
    read(planned, context, { ...known, settled: true });

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
    async look(planned, context) {
      const { name, image } = planned;
      const build = memory.find(name, image);
      const kept = createKeptContext(context);
      const now = await read(planned, kept, build?.context);
      if (!now) return {};
      // Where the stamp has told that all is as before no file was read.
      const isRead = !build?.context.settled || build.context.stamp !== now.context.stamp;
      const isWhole = isRead && kept.isWhole();
      seen.set(name, { ...now, ...(isWhole && { kept: { context: kept, reads: kept.reads() } }) });
      return { ...(isWhole && { context: kept }), ...(!force && build?.inputs === now.inputs && { same: build }) };
    },
    async takeOver({ name, image }) {
      const [build, now] = [memory.find(name, image), seen.get(name)];
      if (!build || !now || !(await hasName(image, build))) return false;
      // The stamp may have become a good one by now: the next time no file has to be read.
      const { stamp, settled } = now.context;
      if (image !== build.image || stamp !== build.context.stamp || settled !== build.context.settled) {
        memory.keep(name, { ...build, image, context: now.context });
      }
      seen.delete(name);
      return true;
    },
    async keep(planned, { context, assemble }, digest) {
      const { name, image } = planned;
      const before = seen.get(name);
      seen.delete(name);
      if (!before) return;
      const { kept } = before;
      const isThat = kept !== undefined && kept.context === context && kept.context.reads() === kept.reads;
      const after = isThat ? before : await lookAgain(planned, await assemble(), before);
      if (after?.inputs !== before.inputs) return;
      built ??= commit();
      memory.keep(name, { inputs: after.inputs, image, digest, sha: await built, context: after.context });
    },
  };
}
