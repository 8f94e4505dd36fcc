import type { Push } from "../model/push.ts";
import { pinnedSource } from "../model/template-source.ts";
import type { Tree } from "./tree.ts";

/** A tree of our own on disk; disposing of it removes it. */
export interface OwnedTree extends Tree, AsyncDisposable {
  /** Unix seconds of its commit. */
  readonly committedAt: number;
}

export interface TreeHands {
  checkout(push: Push, options: { signal: AbortSignal }): Promise<OwnedTree>;
  checkoutTemplates(source: string, options: { signal: AbortSignal }): Promise<OwnedTree>;
}

/** The trees that pushes are built from, each fetched once and shared by the functions of its push. */
export interface Trees {
  ofPush(push: Push, options: { signal: AbortSignal }): Promise<OwnedTree>;
  ofTemplates(push: Push, source: string, options: { signal: AbortSignal }): Promise<OwnedTree>;
  /** Removes everything that was fetched for a push. */
  close(push: Push): Promise<void>;
}

/**
 * Creates the store of open trees. They live in this process: after a restart the first step that needs one fetches
 * it again.
 */
export function createTrees(hands: TreeHands): Trees {
  const open = new Map<string, Map<string, Promise<OwnedTree>>>();

  const share = (push: Push, name: string, fetch: () => Promise<OwnedTree>) => {
    const trees = open.get(push.delivery) ?? new Map<string, Promise<OwnedTree>>();
    open.set(push.delivery, trees);
    const tree = trees.get(name) ?? fetch();
    trees.set(name, tree);
    // A failure is not shared: the next attempt fetches anew.
    tree.catch(() => trees.get(name) === tree && trees.delete(name));
    return tree;
  };

  return {
    ofPush: (push, options) => share(push, "", () => hands.checkout(push, options)),
    async ofTemplates(push, source, options) {
      const opening = share(push, source, () => hands.checkoutTemplates(source, options));
      const tree = await opening;
      const trees = open.get(push.delivery);
      // Planning names a branch, building the commit that it was: one tree serves both.
      const pinned = tree.commit === undefined ? source : pinnedSource(source, tree.commit);
      if (trees && !trees.has(pinned)) trees.set(pinned, opening);
      return tree;
    },
    async close(push) {
      const trees = new Set(open.get(push.delivery)?.values() ?? []);
      open.delete(push.delivery);
      for (const tree of await Promise.allSettled(trees)) {
        if (tree.status === "fulfilled") await tree.value[Symbol.asyncDispose]();
      }
    },
  };
}
