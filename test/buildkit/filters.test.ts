import { randomInt } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type Filter, walkContext } from "../../src/buildkit/context-walk.ts";
import { type Context, findEntry } from "../../src/model/context.ts";
import { createRandom } from "../random.ts";
import { readGolden } from "./golden/golden.ts";
import { createMemoryContext, folder, link, type Sketch } from "./memory-context.ts";
import { drawPatterns, drawTree, type Tree } from "./random-tree.ts";

const { signal } = new AbortController();

/** The paths that we send of a context. */
async function sentOf(context: Context, filter: Partial<Filter>): Promise<string[]> {
  const sent: string[] = [];
  const visit = ({ path }: { path: string }) => void sent.push(path);
  const whole = { includes: [], excludes: [], follows: [], ...filter };
  await walkContext(context, whole, { visit, room: () => undefined, signal });
  return sent;
}

function contextOf(nodes: readonly string[]): Context {
  return createMemoryContext(Object.fromEntries(nodes.map(sketchOf)));
}

/** One that finds entries, as a folder on a disk does. */
function findable({ list }: Context): Context {
  return { list, find: (path) => findEntry({ list }, path) };
}

function sketchOf(node: string): [string, Sketch] {
  const [path = "", target] = node.split(" -> ");
  if (target !== undefined) return [path, link(target)];
  return node.endsWith("/") ? [node.slice(0, -1), folder()] : [node, "text"];
}

function contextOfTree(tree: Tree): Context {
  return contextOf(
    Object.entries(tree).map(([path, node]) => {
      if (node.kind === "link") return `${path} -> ${node.target}`;
      return node.kind === "folder" ? `${path}/` : path;
    }),
  );
}

describe("what is sent of a folder is what the real program sends", () => {
  const all = readGolden();

  test("there are enough recorded answers of every sort", () => {
    expect(all.length).toBeGreaterThanOrEqual(150);
    for (const list of ["includes", "excludes", "follows"] as const) {
      expect(all.filter((golden) => golden[list].length > 0).length).toBeGreaterThan(30);
    }
    expect(all.filter(({ excludes }) => excludes.some((line) => line.startsWith("!"))).length).toBeGreaterThan(30);
  });

  test.for(all)("seed $seed", async ({ nodes, sent, ...filter }) => {
    for (const context of [contextOf(nodes), findable(contextOf(nodes))]) {
      const ours = sentOf(context, filter);
      if (sent === null) await expect(ours).rejects.toThrow();
      else expect((await ours).sort()).toEqual([...sent].sort());
    }
  });
});

test("what is named is found where it can be, without a look at what lies beside it", async () => {
  const context = findable(contextOf(["Dockerfile", "b/deep/file", "link -> b", "z"]));
  const list = async (directory: string) => {
    if (directory === "") throw new Error("the root was listed");
    return context.list(directory);
  };
  const narrow = { ...context, list };
  expect(await sentOf(narrow, { follows: ["Dockerfile", "Dockerfile.dockerignore"] })).toEqual(["Dockerfile"]);
  expect(await sentOf(narrow, { follows: ["link/deep"] })).toEqual(["b", "b/deep", "b/deep/file", "link"]);
  expect(await sentOf(narrow, { includes: ["z", "b/deep"] })).toEqual(["b", "b/deep", "b/deep/file", "z"]);
  await expect(sentOf(narrow, { includes: ["z*"] })).rejects.toThrow("the root was listed");
});

const firstSeed = randomInt(2 ** 31);
const seeds = Array.from({ length: 200 }, (_, at) => firstSeed + at);

describe(`for whatever is drawn from seed ${firstSeed} on`, () => {
  test("without a filter everything is sent, each folder before what is in it, siblings by their bytes", async () => {
    for (const seed of seeds) {
      const tree = drawTree(createRandom(seed), 30);
      const sent = await sentOf(contextOfTree(tree), {});
      expect(new Set(sent), `seed ${seed}`).toEqual(new Set(Object.keys(tree)));
      expect(sent, `seed ${seed}`).toEqual(sent.toSorted(byParts));
    }
  });

  test("what is sent has all the folders that it lies in, and nothing twice", async () => {
    for (const seed of seeds) {
      const sent = await drawn(seed, (excludes) => ({ excludes }));
      expect(new Set(sent).size, `seed ${seed}`).toBe(sent.length);
      for (const path of sent) {
        if (path.includes("/")) expect(sent, `seed ${seed}`).toContain(path.slice(0, path.lastIndexOf("/")));
      }
    }
  });

  test("a pattern that fits nothing changes nothing, wherever it stands", async () => {
    for (const seed of seeds) {
      const without = await drawn(seed, (excludes) => ({ excludes }));
      const places = ["no/such/*", "!no/such"].flatMap((line) => [
        drawnWith(seed, (excludes) => [line, ...excludes]),
        drawnWith(seed, (excludes) => [...excludes, line]),
      ]);
      for (const sent of await Promise.all(places)) expect(sent, `seed ${seed}`).toEqual(without);
    }
  });

  test('after "!**" at its end a list leaves nothing out, after "**" everything', async () => {
    for (const seed of seeds) {
      const all = await drawn(seed, () => ({}));
      expect(await drawn(seed, (excludes) => ({ excludes: [...excludes, "!**"] })), `seed ${seed}`).toEqual(all);
      expect(await drawn(seed, (excludes) => ({ excludes: [...excludes, "**"] })), `seed ${seed}`).toEqual([]);
    }
  });
});

async function drawn(seed: number, filterOf: (patterns: string[]) => Partial<Filter>): Promise<string[]> {
  const random = createRandom(seed);
  const tree = drawTree(random, 30);
  return sentOf(contextOfTree(tree), filterOf(drawPatterns(random, tree)));
}

function drawnWith(seed: number, change: (patterns: string[]) => string[]): Promise<string[]> {
  return drawn(seed, (excludes) => ({ excludes: change(excludes) }));
}

/** Part by part: "a/z" stands before "a.b", although "." comes before "/". */
function byParts(left: string, right: string): number {
  const [ours, theirs] = [left.split("/"), right.split("/")];
  for (const [at, part] of ours.entries()) {
    const other = theirs[at];
    if (other === undefined) return 1;
    const order = Buffer.compare(Buffer.from(part), Buffer.from(other));
    if (order !== 0) return order;
  }
  return ours.length - theirs.length;
}
