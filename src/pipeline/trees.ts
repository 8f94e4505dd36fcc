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

/** The trees that pushes are built from, each fetched once in a process and shared by the functions of its push. */
export interface Trees {
  ofPush(push: Push, options: { signal: AbortSignal }): Promise<OwnedTree>;
  ofTemplates(push: Push, source: string, options: { signal: AbortSignal }): Promise<OwnedTree>;
  /** Keeps what is fetched for a push from now on, until nobody here uses it any more: then it is removed. */
  use(push: Push): AsyncDisposable;
}

/**
 * Creates the store of open trees. They live in this process: after a restart the first step that needs one fetches
 * it again.
 */
export function createTrees(hands: TreeHands): Trees {
  const open = new Map<string, Map<string, Promise<OwnedTree>>>();
  const users = new Map<string, number>();

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
    use({ delivery }) {
      users.set(delivery, (users.get(delivery) ?? 0) + 1);
      return {
        async [Symbol.asyncDispose]() {
          const left = (users.get(delivery) ?? 1) - 1;
          if (left > 0) {
            users.set(delivery, left);
            return;
          }
          users.delete(delivery);
          const trees = new Set(open.get(delivery)?.values() ?? []);
          open.delete(delivery);
          await removeAll(trees);
        },
      };
    },
  };
}

async function removeAll(trees: Iterable<Promise<OwnedTree>>): Promise<void> {
  for (const tree of await Promise.allSettled(trees)) {
    if (tree.status === "fulfilled") await tree.value[Symbol.asyncDispose]();
  }
}
