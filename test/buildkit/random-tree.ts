import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Random } from "../random.ts";

/** What lies at a path on disk. */
export type Node =
  | { readonly kind: "file"; readonly content: string; readonly mode: number }
  | { readonly kind: "folder"; readonly mode: number }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "hardlink"; readonly to: string }
  | { readonly kind: "pipe"; readonly mode: number };

/** Nodes by their paths; a folder stands before what is in it. */
export type Tree = Readonly<Record<string, Node>>;

/** Letters, digits, spaces, what is not ASCII (whole and put together), and what means something to a pattern. */
const names = [
  ...[
    "a",
    "b",
    "c",
    "src",
    "lib",
    "node_modules",
    ".git",
    ".hidden",
    "a.txt",
    "b.txt",
    "c.md",
    "README.md",
    "x.tar.gz",
  ],
  ...[
    "two words",
    " ahead",
    "comma,here",
    "plus+plus",
    "100%",
    "qu'ote",
    "semi;colon",
    "equals=",
    "#hash",
    "back`tick",
  ],
  ...["é", "e\u0301", "日本語", "😀", "über.txt", "naïve file.md", "nb\u00a0space"],
];

/** Draws a tree of up to `count` nodes: all modes, links to files, folders, nowhere, outwards and in circles. */
export function drawTree(random: Random, count: number): Tree {
  const tree: Record<string, Node> = {};
  const folders = [""];
  const files: string[] = [];
  for (let at = 0; at < count; at++) {
    const parent = random.pick(folders);
    const name = random.pick(names);
    const path = parent === "" ? name : `${parent}/${name}`;
    if (tree[path] !== undefined) continue;
    const node = drawNode(random, { folders, files });
    tree[path] = node;
    if (node.kind === "folder") folders.push(path);
    if (node.kind === "file") files.push(path);
  }
  return tree;
}

function drawNode(random: Random, known: { folders: readonly string[]; files: readonly string[] }): Node {
  const special = random.oneIn(4) ? random.below(8) << 9 : 0;
  const kind = random.below(20);
  if (kind < 5) return { kind: "folder", mode: special | 0o700 | random.below(0o100) };
  if (kind < 8) return { kind: "link", target: drawTarget(random, known) };
  if (kind < 9 && known.files.length > 0) return { kind: "hardlink", to: random.pick(known.files) };
  if (kind < 10) return { kind: "pipe", mode: 0o600 };
  return {
    kind: "file",
    content: random.pick(names).repeat(random.below(40)),
    mode: special | 0o400 | random.below(0o400),
  };
}

function drawTarget(
  random: Random,
  { folders, files }: { folders: readonly string[]; files: readonly string[] },
): string {
  const target = random.pick([...files, ...folders, "nowhere", "..", "../../outside", "."]) || ".";
  return random.oneIn(3) ? `/${target}` : target;
}

/** Draws the lines of a .dockerignore for a tree: paths, wildcards, and exceptions from them. */
export function drawPatterns(random: Random, tree: Tree): string[] {
  const paths = Object.keys(tree);
  return Array.from({ length: 1 + random.below(6) }, () => {
    const line = drawPattern(random, random.pick(paths) ?? "a");
    return random.oneIn(3) ? `!${line}` : line;
  });
}

function drawPattern(random: Random, path: string): string {
  const parts = path.replace(/[\\[\]]/gu, "?").split("/");
  const at = random.below(parts.length);
  const part = parts[at] ?? "";
  const name = part.trim() === "" ? "a" : part;
  return random.pick([
    path.trim() === "" ? "a" : parts.join("/"),
    `/${parts.join("/")}`,
    parts.with(at, "*").join("/"),
    parts.with(at, "**").join("/"),
    `**/${name}`,
    `**${name}`,
    `${parts.slice(0, at + 1).join("/")}/**`,
    `${parts.slice(0, at + 1).join("/")}/*`,
    `${name.slice(0, 1) || "a"}*`,
    `*${name.slice(-1)}`,
    `${"?".repeat([...name].length)}`,
    "*",
    "**/*.txt",
    `${parts.join("/")}/`,
    `./${parts.join("/")}/../${name}`,
    "[a-c]*",
  ]);
}

/** Writes a tree into a folder that is there. */
export function writeTree(root: string, tree: Tree): void {
  for (const [path, node] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeNode(root, path, node);
  }
  // Last and from the deepest: a folder may be made unwritable.
  for (const [path, node] of Object.entries(tree).reverse()) {
    if ("mode" in node) chmodSync(join(root, path), node.mode);
  }
}

function writeNode(root: string, path: string, node: Node): void {
  const place = join(root, path);
  if (node.kind === "file") writeFileSync(place, node.content);
  else if (node.kind === "folder") mkdirSync(place, { recursive: true });
  else if (node.kind === "link") symlinkSync(node.target, place);
  else if (node.kind === "hardlink") linkSync(join(root, node.to), place);
  else execFileSync("mkfifo", [place]);
}
