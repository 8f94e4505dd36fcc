import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { createFunctionContext, type FunctionParts } from "../../src/contexts/function-context.ts";
import { writeContext } from "../../src/contexts/write-context.ts";
import { createScratch, pathsOf, textOf } from "./scratch.ts";

type Links = Readonly<Record<string, string>>;

const signal = AbortSignal.timeout(30_000);

/** A project with links in it, target by path, whose contexts are written to a folder of it. */
async function createProject(links: Links = {}) {
  const scratch = await createScratch();
  const checkout = join(scratch.folder, "repo");
  for (const file of ["fn/Dockerfile", "fn/src/x", "shared/y", "out-beside/z", "template/node/Dockerfile"]) {
    await mkdir(join(checkout, dirname(file)), { recursive: true });
    await writeFile(join(checkout, file), file);
  }
  for (const [path, target] of Object.entries(links)) await symlink(target, join(checkout, path));
  const partsFor = (target: string, changes: Partial<FunctionParts> = {}): FunctionParts => ({
    checkout,
    handler: ".",
    handlerFolder: "function",
    copy: [],
    leftOut: join(checkout, target),
    ...changes,
  });
  return { ...scratch, checkout, partsFor };
}

test.for<[handler: string, target: string, links: Links]>([
  [".", "out", {}],
  [".", "a/b/out", {}],
  [".", "café/out", {}],
  [".", "linked/out", { linked: "shared" }],
  [".", "fn/out", { again: "fn" }],
  ["fn", "fn/out", {}],
  ["fn", "fn/src/deep/out", {}],
  ["fn", "shared/out", { "fn/up": "../shared" }],
  ["fn", "out", { "fn/up": "../shared", "shared/written": "../out", "fn/one": "../out/one" }],
])("a function of %j that is written to %j, with links %j, has nothing of what is written in it", async (row) => {
  const [handler, target, links] = row;
  await using project = await createProject(links);
  const parts = project.partsFor(target, { handler });
  const place = join(project.checkout, target, "one");
  const write = async () => {
    await writeContext(createFunctionContext(parts), place, { signal });
    return pathsOf(createDirectoryContext(place, { within: place, links: "keep" }));
  };
  const first = await write();
  expect(first.filter((path) => /Dockerfile$/.test(path)).length).toBeGreaterThanOrEqual(1);
  expect(first.filter((path) => /one|written|(^|\/)out$/.test(path))).toEqual([]);
  await cp(place, join(project.checkout, target, "other"), { recursive: true });
  await rm(place, { recursive: true });
  expect(await write()).toEqual(first);
});

test("copied paths and a template of the project have nothing in them of what is written either", async () => {
  await using project = await createProject({ "template/node/shared": "../../shared" });
  await mkdir(join(project.checkout, "shared/out/old"), { recursive: true });
  const template = join(project.checkout, "template/node");
  const parts = project.partsFor("shared/out", { handler: "fn", template, copy: ["shared"] });
  expect((await pathsOf(createFunctionContext(parts))).filter((path) => path.includes("shared"))).toEqual([
    "function/shared",
    "function/shared/y",
    "shared",
    "shared/y",
  ]);
});

test("what is left out is not found either, and what only begins alike is", async () => {
  await using project = await createProject({ linked: "out/file", up: "." });
  await mkdir(join(project.checkout, "out/sub"), { recursive: true });
  await writeFile(join(project.checkout, "out/file"), "");
  const context = createFunctionContext(project.partsFor("out"));
  for (const path of ["out", "out/file", "out/sub", "linked"]) expect(await context.find?.(path), path).toBeUndefined();
  for (const path of ["out", "out/sub"]) expect(await context.list(path), path).toEqual([]);
  expect(await textOf(context, "out-beside/z")).toBe("out-beside/z");
});

test("a target that holds the templates, but not what is the project's, leaves nothing of them out", async () => {
  await using project = await createProject();
  const leftOut = join(project.folder, "templates");
  await cp(join(project.checkout, "template"), join(leftOut, "template"), { recursive: true });
  const parts = project.partsFor("", { handler: "fn", template: join(leftOut, "template/node"), leftOut });
  expect(await textOf(createFunctionContext(parts), "Dockerfile")).toBe("template/node/Dockerfile");
});

test.for<[target: string, changes: Partial<FunctionParts>]>([
  ["fn", { handler: "fn" }],
  ["fn", { handler: "fn/src" }],
  ["linked", { handler: "fn" }],
  ["fn", { handler: "linked/src" }],
  [".", { handler: "fn" }],
  ["..", { handler: "." }],
  ["shared", { handler: "fn", copy: ["shared"] }],
  ["shared", { handler: "fn", copy: ["shared/y"] }],
])("what is to be written to %j cannot be made of %j, which lies in there", async ([target, changes]) => {
  await using project = await createProject({ linked: "fn" });
  expect(() => createFunctionContext(project.partsFor(target, changes))).toThrow(
    expect.objectContaining({
      code: "usage",
      message: expect.stringContaining("lies in the folder that is written to"),
    }),
  );
});
