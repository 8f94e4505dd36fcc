import { type ContextHash, hashContext } from "../contexts/hash.ts";
import type { Context } from "../model/context.ts";
import { walk } from "./context-inputs.ts";

/** A context's hash has some two hundred bytes. */
const maxKnown = 20_000;

/**
 * Creates the hashing of contexts that come again: files of an earlier checkout that the next one took over are not read
 * again. The stamp decides (numbers and times of the files), the name only where to look for it.
 */
export function createKnownContexts() {
  const known = new Map<string, ContextHash>();
  return async (name: string, context: Context, { signal }: { signal: AbortSignal }): Promise<string> => {
    const hash = await hashContext(context, { walk, known: known.get(name), signal });
    known.delete(name);
    known.set(name, hash);
    const [oldest] = known.keys();
    if (known.size > maxKnown && oldest !== undefined) known.delete(oldest);
    return hash.content;
  };
}
