import { expect, test } from "vitest";
import { createDockerfileContext } from "../../src/buildkit/dockerfile-context.ts";
import { createFilesContext, type FileSource } from "../../src/contexts/files.ts";
import { findEntry, readText } from "../../src/model/context.ts";

const contextOf = (files: Record<string, FileSource>, dockerfile = "Dockerfile") =>
  createDockerfileContext(createFilesContext(files), dockerfile);
const pathsIn = async (context: ReturnType<typeof contextOf>, folder: string) =>
  (await context.list(folder)).map(({ path }) => path);

const dockerfile = { content: "FROM scratch\n" };
const ignore = { content: "*.log\n" };

test("beside the Dockerfile lies what .dockerignore says, under its name", async () => {
  const context = contextOf({ Dockerfile: dockerfile, ".dockerignore": ignore, a: { content: "" } });
  expect(await pathsIn(context, "")).toEqual([".dockerignore", "Dockerfile", "Dockerfile.dockerignore", "a"]);
  expect(await readText(context, "Dockerfile.dockerignore", 100)).toBe("*.log\n");
  expect(await readText(context, "Dockerfile", 100)).toBe("FROM scratch\n");
  // What had this name before may have had the same size and time.
  const [one, two] = await Promise.all(
    [".dockerignore", "Dockerfile.dockerignore"].map((path) => findEntry(context, path)),
  );
  expect([one?.size, one?.modifiedNs]).not.toEqual([two?.size, two?.modifiedNs]);
});

test("a Dockerfile in a folder has it in that folder", async () => {
  const context = contextOf({ "in/it/a.file": dockerfile, ".dockerignore": ignore }, "in/it/a.file");
  expect(await pathsIn(context, "in/it")).toEqual(["in/it/a.file", "in/it/a.file.dockerignore"]);
  expect(await readText(context, "in/it/a.file.dockerignore", 100)).toBe("*.log\n");
  expect(await pathsIn(context, "")).toEqual([".dockerignore", "in"]);
});

test("where nothing is left out it says so", async () => {
  const context = contextOf({ Dockerfile: dockerfile });
  expect(await readText(context, "Dockerfile.dockerignore", 100)).toMatch(/^#.*\n$/);
});

test("one that is there stays as it is", async () => {
  const own = { content: "mine\n" };
  const context = contextOf({ Dockerfile: dockerfile, "Dockerfile.dockerignore": own, ".dockerignore": ignore });
  expect(await pathsIn(context, "")).toEqual([".dockerignore", "Dockerfile", "Dockerfile.dockerignore"]);
  expect(await readText(context, "Dockerfile.dockerignore", 100)).toBe("mine\n");
});

test("a .dockerignore that is no plain file is left to the daemon", async () => {
  const context = contextOf({ Dockerfile: dockerfile, ".dockerignore": { link: "elsewhere" } });
  expect(await pathsIn(context, "")).toEqual([".dockerignore", "Dockerfile"]);
  expect(await findEntry(context, "Dockerfile.dockerignore")).toBe(undefined);
});
