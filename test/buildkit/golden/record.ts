/*
 * Records what the real program sends of a folder: buildctl is given a drawn tree with drawn patterns, the daemon sends
 * back what it has got. Run it by hand where the generator has changed:
 *
 *   node test/buildkit/golden/record.ts ADDRESS BUILDCTL SEED COUNT > test/buildkit/golden/filters.jsonl
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Definition, Op } from "../../../src/buildkit/generated/pb.ts";
import { createRandom, type Random } from "../../random.ts";
import { drawPatterns, drawTree, type Tree, writeTree } from "../random-tree.ts";
import type { Golden } from "./golden.ts";

const [address = "", buildctl = "", seed = "1", count = "100"] = process.argv.slice(2);
for (let at = 0; at < Number(count); at++) process.stdout.write(`${JSON.stringify(record(Number(seed) + at))}\n`);

function record(from: number): Golden {
  const random = createRandom(from);
  const drawn = Object.entries(drawTree(random, 24)).filter(([, { kind }]) => kind !== "pipe" && kind !== "hardlink");
  const tree = Object.fromEntries(drawn);
  const excludes = random.oneIn(3) ? [] : drawPatterns(random, tree);
  const includes = random.oneIn(3) ? drawPatterns(random, tree).filter((line) => !line.startsWith("!")) : [];
  const follows = excludes.length === 0 || random.oneIn(3) ? drawFollows(random, tree) : [];
  const folder = mkdtempSync(join(tmpdir(), "of-builder-golden-"));
  try {
    writeTree(folder, tree);
    const nodes = drawn.map(([path, node]) => {
      if (node.kind === "link") return `${path} -> ${node.target}`;
      return node.kind === "folder" ? `${path}/` : path;
    });
    return { seed: from, nodes, includes, excludes, follows, sent: send(folder, { includes, excludes, follows }) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function drawFollows(random: Random, tree: Tree): string[] {
  const paths = Object.keys(tree);
  return Array.from({ length: 1 + random.below(3) }, () => {
    const path = random.pick(paths);
    const below = `${path}/${random.pick(["a", "*", "src", "a.txt"])}`;
    return random.pick([path, `/${path}`, below, `${path.slice(0, 1)}*`, "*", `${path}/..`, "nowhere/*"]);
  });
}

function send(folder: string, filter: Pick<Golden, "includes" | "excludes" | "follows">): string[] | null {
  const out = mkdtempSync(join(tmpdir(), "of-builder-golden-"));
  try {
    const locals = ["--local", `context=${folder}`, "--output", `type=local,dest=${out}`, "--progress", "plain"];
    const input = definition(filter);
    const { status, stderr } = spawnSync(buildctl, ["--addr", address, "build", ...locals], { input });
    if (status === 0) return listAll(out);
    process.stderr.write(stderr);
    return null;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

function definition({ includes, excludes, follows }: Pick<Golden, "includes" | "excludes" | "follows">): Uint8Array {
  const lists = {
    "local.includepattern": includes,
    "local.excludepatterns": excludes,
    "local.followpaths": follows,
  };
  const given = Object.entries(lists).filter(([, list]) => list.length > 0);
  const attrs = {
    "local.unique": `${Date.now()}-${Math.random()}`,
    "local.sharedkeyhint": `${Date.now()}-${Math.random()}`,
    ...Object.fromEntries(given.map(([name, list]) => [name, JSON.stringify(list)])),
  };
  const source = Op.encode(Op.fromPartial({ source: { identifier: "local://context", attrs } })).finish();
  const digest = `sha256:${createHash("sha256").update(source).digest("hex")}`;
  const end = Op.encode(Op.fromPartial({ inputs: [{ digest, index: 0n }] })).finish();
  return Definition.encode(Definition.fromPartial({ def: [Buffer.from(source), Buffer.from(end)] })).finish();
}

/** Node's own recursive reading follows links. */
function listAll(root: string, below = ""): string[] {
  return readdirSync(join(root, below), { withFileTypes: true })
    .flatMap((entry) => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      return entry.isDirectory() ? [path, ...listAll(root, path)] : [path];
    })
    .sort();
}
