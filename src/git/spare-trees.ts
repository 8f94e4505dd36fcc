import { rm } from "node:fs/promises";

/**
 * A tree that a checkout has left: its files in `ROOT/tree`, and git's index of them in `ROOT/index`. The next checkout
 * of the repository takes it over and writes only what differs, where it would else write every file anew: of a large
 * repository that is what a small push would wait for longest.
 */
export interface SpareTree {
  readonly root: string;
  /** What its .gitattributes files are: others would have git write the same files differently. */
  readonly attributes: string;
  readonly files: number;
  readonly bytes: number;
}

/** Trees that wait for the next checkout of their repository, each for one. Disposing of them removes them. */
export interface SpareTrees extends AsyncDisposable {
  /** Hands a tree over; undefined where none waits. */
  take(repository: string): SpareTree | undefined;
  give(repository: string, tree: SpareTree): Promise<void>;
}

/** How much may wait in all. The least lately used go first. */
export interface SpareLimits {
  readonly maxTrees: number;
  readonly maxFiles: number;
  readonly maxBytes: number;
}

/** Creates the place where trees wait; they are not known to another process, or after a restart. */
export function createSpareTrees(limits: SpareLimits): SpareTrees {
  let waiting: { readonly repository: string; readonly tree: SpareTree }[] = [];
  let isOpen = true;
  const sum = (key: "files" | "bytes") => waiting.reduce((total, { tree }) => total + tree[key], 0);
  const isOver = () =>
    waiting.length > limits.maxTrees || sum("files") > limits.maxFiles || sum("bytes") > limits.maxBytes;
  return {
    take(repository) {
      const found = waiting.findLast((each) => each.repository === repository);
      waiting = waiting.filter((each) => each !== found);
      return found?.tree;
    },
    async give(repository, tree) {
      if (!isOpen) return remove(tree);
      waiting.push({ repository, tree });
      while (isOver()) await remove(waiting.shift()?.tree);
    },
    async [Symbol.asyncDispose]() {
      isOpen = false;
      for (const { tree } of waiting.splice(0)) await remove(tree);
    },
  };
}

async function remove(tree: SpareTree | undefined): Promise<void> {
  if (tree) await rm(tree.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}
