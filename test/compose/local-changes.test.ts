import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createLocalChanges } from "../../src/compose/local-changes.ts";
import type { LocalBuild } from "../../src/compose/local-memory.ts";
import type { PushTarget } from "../../src/compose/push-target.ts";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { createLog } from "../../src/log.ts";
import type { Context } from "../../src/model/context.ts";
import type { PlannedFunction } from "../../src/pipeline/plan.ts";
import { createScratch, listAll, textOf } from "../contexts/scratch.ts";

const { signal } = new AbortController();
const planned = { name: "fn", image: "fn:latest", buildArgs: {}, platforms: [] } as unknown as PlannedFunction;
const options = { push: false, commit: async () => "", log: createLog("silent"), signal };
const target = { baseDigest: async () => "sha256:base" } as unknown as PushTarget;

/** A function's folder, and what is remembered of its builds. */
async function createScene(files: Readonly<Record<string, string>> = {}) {
  const scratch = await createScratch();
  const folder = join(scratch.folder, "fn");
  const write = async (all: Readonly<Record<string, string>>) => {
    for (const [path, text] of Object.entries(all)) await writeFile(join(folder, path), text);
  };
  await mkdir(folder);
  await write({ Dockerfile: "FROM busybox\nCOPY . /\n", file: "before", ...files });
  const builds = new Map<string, LocalBuild>();
  const memory = {
    find: (name: string) => builds.get(name),
    keep: (name: string, build: LocalBuild) => void builds.set(name, build),
    save: async () => {},
  };
  return {
    ...scratch,
    write,
    builds,
    assemble: async (): Promise<Context> => createDirectoryContext(folder, { within: folder, links: "resolve" }),
    /** What the command is given each time that it runs. */
    changes: (force = false) => createLocalChanges({ ...options, memory, target, force }),
  };
}

test("a small function is built from what was looked at, and remembered as that", async () => {
  await using scene = await createScene();
  const { look, keep } = scene.changes();
  const { same, context } = await look(planned, await scene.assemble());
  expect(same).toBe(undefined);
  await scene.write({ file: "after!", more: "" });
  expect((await listAll(context as Context)).map(({ path }) => path)).toEqual(["Dockerfile", "file"]);
  expect(await textOf(context as Context, "file")).toBe("before");
  const noMore = async () => expect.unreachable("nothing has to be read again");
  await keep(planned, { context, assemble: noMore }, "sha256:1");
  expect(scene.builds.get("fn")?.digest).toBe("sha256:1");
  expect((await scene.changes().look(planned, await scene.assemble())).same).toBe(undefined);
  await scene.write({ file: "before" });
  expect((await scene.changes().look(planned, await scene.assemble())).same).toBe(undefined);
});

test("what has not changed is known again", async () => {
  await using scene = await createScene();
  const { look, keep } = scene.changes();
  const { context } = await look(planned, await scene.assemble());
  await keep(planned, { context, assemble: scene.assemble }, "sha256:1");
  const next = scene.changes();
  expect((await next.look(planned, await scene.assemble())).same?.digest).toBe("sha256:1");
  expect(await next.takeOver(planned)).toBe(true);
  expect((await scene.changes(true).look(planned, await scene.assemble())).same).toBe(undefined);
});

const large = { large: "x".repeat(1024 * 1024) };

test.for([
  ["is too large", large, false],
  ["was not read, as nothing told of a change", {}, true],
] as const)(
  "one that %s is built from what is there, and remembered where that was looked at",
  async ([, files, isKnown]) => {
    await using scene = await createScene(files);
    const lookAndKeep = async (meanwhile: () => Promise<void>) => {
      const { look, keep } = scene.changes(true);
      const { context } = await look(planned, await scene.assemble());
      await meanwhile();
      await keep(planned, { context, assemble: scene.assemble }, "sha256:2");
      return context;
    };
    const settle = () => {
      const build = scene.builds.get("fn") as LocalBuild;
      scene.builds.set("fn", { ...build, digest: "sha256:1", context: { ...build.context, settled: true } });
    };
    await lookAndKeep(async () => {});
    if (isKnown) settle();
    expect(await lookAndKeep(async () => {})).toBe(undefined);
    expect(scene.builds.get("fn")?.digest).toBe("sha256:2");
    settle();
    expect(await lookAndKeep(() => scene.write({ file: "after!" }))).toBe(undefined);
    expect(scene.builds.get("fn")?.digest).toBe("sha256:1");
  },
);

test("what was built from another context than the one looked at is looked at again", async () => {
  await using scene = await createScene();
  const { look, keep } = scene.changes();
  await look(planned, await scene.assemble());
  await scene.write({ file: "after!" });
  await keep(planned, { context: undefined, assemble: scene.assemble }, "sha256:1");
  expect(scene.builds.size).toBe(0);
});

test("a function that was not looked at is not remembered", async () => {
  await using scene = await createScene();
  await scene.changes().keep(planned, { context: undefined, assemble: scene.assemble }, "sha256:1");
  expect(scene.builds.size).toBe(0);
});
