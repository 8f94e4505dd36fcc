import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

/** A hand knows one outside party, and no other hand. */
const hand = ["model/", "errors.ts", "log.ts"];
const hands = [
  "buildkit/",
  "contexts/",
  "database/",
  "gateway/",
  "git/",
  "github/",
  "logs/",
  "parts/",
  "registry/",
  "remote/",
];

/** The BuildKit client can be used alone: it takes along how errors are told, what a context and an event are, and no more. */
const clientNouns = [
  "errors.ts",
  "model/build-event.ts",
  "model/context.ts",
  "model/line-excerpt.ts",
  "model/warning-lines.ts",
];

/** What each room may import beside itself; type imports count. The first room whose name fits counts. */
const floors: Record<string, readonly string[]> = {
  "errors.ts": [],
  "log.ts": [],
  config: ["errors.ts"],
  "model/": ["errors.ts"],
  ...Object.fromEntries(hands.map((room) => [room, hand])),
  "buildkit/": clientNouns,
  "pipeline/": ["model/", "errors.ts"],
  "jobs/": ["pipeline/", "model/", "errors.ts", "log.ts"],
  "server/": ["pipeline/", "github/webhook.ts", "model/", "errors.ts", "log.ts"],
  compose: [...hands, "pipeline/", "jobs/", "server/", "model/", "config.ts", "errors.ts", "log.ts"],
  "cli/": ["compose", "config.ts", "errors.ts", "log.ts", "model/"],
};

/** Where a package of others may be imported. What is not in the table may be imported nowhere. */
const owners: Record<string, readonly string[]> = {
  "@bufbuild/protobuf/": ["buildkit/"],
  "@dbos-inc/": ["database/", "jobs/"],
  "@grpc/": ["buildkit/"],
  "@octokit/": ["github/"],
  commander: ["cli/"],
  express: ["server/"],
  flydrive: ["logs/"],
  pg: ["database/", "jobs/"],
  pino: ["log.ts"],
  "prom-client": ["server/"],
  "simple-git": ["git/"],
  re2js: ["model/"],
  tar: ["contexts/"],
  tweetnacl: ["server/", "remote/"],
  yaml: ["model/"],
  zod: ["model/", "server/", "github/"],
};
const http2 = ["node:http2"];

const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

test.for(files)("%s imports only what its floor allows", (file) => {
  const room = Object.keys(floors).find((name) => file.startsWith(name));
  expect(room, "every file belongs to a room of the table").toBeDefined();
  expect(importsOf(file).filter((name) => !isAllowed(name, { file, room: room ?? "" }))).toEqual([]);
});

test("the BuildKit client brings nothing along but what it may import, and how lines are cleaned", () => {
  const found = new Set(files.filter((file) => file.startsWith("buildkit/")));
  for (const file of found) {
    for (const name of importsOf(file)) if (name.startsWith(".")) found.add(normalize(join(dirname(file), name)));
  }
  const brought = [...found].filter((file) => !file.startsWith("buildkit/"));
  expect(brought.sort()).toEqual([...clientNouns, "model/terminal-text.ts"].sort());
});

test("the table has no room that may import itself through others", () => {
  const reach = (room: string): string[] => (floors[room] ?? []).flatMap((next) => [next, ...reach(next)]);
  expect(Object.keys(floors).filter((room) => reach(room).includes(room))).toEqual([]);
});

test("a stranger's import is found", () => {
  const place = { file: "git/checkout.ts", room: "git/" };
  expect(isAllowed("../registry/manifest.ts", place)).toBe(false);
  expect(isAllowed("express", place)).toBe(false);
  expect(isAllowed("tarball", { file: "contexts/a.ts", room: "contexts/" })).toBe(false);
  expect(isAllowed("node:http2", place)).toBe(false);
  expect(isAllowed("simple-git", place)).toBe(true);
  expect(isAllowed("../model/push.ts", place)).toBe(true);
});

function importsOf(file: string): string[] {
  const text = readFileSync(join("src", file), "utf8");
  const found = text.matchAll(
    /^(?:import\b|export\s+(?:type\s+)?[{*])[^;"]*\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"|\bimport\s*\(\s*"([^"]+)"/gm,
  );
  return [...found].map(([, named, bare, dynamic]) => named ?? bare ?? dynamic ?? "");
}

function isAllowed(name: string, { file, room }: { file: string; room: string }): boolean {
  if (http2.includes(name)) return room === "buildkit/";
  if (name.startsWith("node:")) return true;
  if (name.startsWith(".")) {
    const target = normalize(join(dirname(file), name));
    return [room, ...(floors[room] ?? []), "../package.json"].some((place) => target.startsWith(place));
  }
  const owner = Object.keys(owners).find((entry) => name === entry || name.startsWith(entry.replace(/\/?$/, "/")));
  return owner !== undefined && (owners[owner] ?? []).includes(room);
}
