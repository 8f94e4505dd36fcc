import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { readGoodBuilds, storeGoodBuild } from "../../src/database/function-builds.ts";
import { createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));

const branch = { owner: "Alice", repository: "Fns", branch: "main" };
const build = (sha: string) => ({
  inputs: `inputs ${sha}`,
  image: `r:5000/alice/fns-a:1-${sha}`,
  digest: "sha256:1",
  sha,
});

test("the last good build of each function is remembered", async () => {
  expect(await readGoodBuilds(database, branch)).toEqual(new Map());
  await storeGoodBuild(database, { ...branch, name: "a" }, build("1"));
  await storeGoodBuild(database, { ...branch, name: "b" }, build("1"));
  await storeGoodBuild(database, { ...branch, name: "a" }, build("2"));
  expect(await readGoodBuilds(database, branch)).toEqual(
    new Map([
      ["a", build("2")],
      ["b", build("1")],
    ]),
  );
});

test("another spelling is the same repository, another branch, repository or owner is not", async () => {
  await storeGoodBuild(database, { ...branch, name: "a" }, build("1"));
  const names = async (change: Partial<typeof branch>) => [
    ...(await readGoodBuilds(database, { ...branch, ...change })).keys(),
  ];
  expect(await names({ owner: "alice", repository: "fns" })).toContain("a");
  expect(await names({ branch: "Main" })).toEqual([]);
  expect(await names({ repository: "fn" })).toEqual([]);
  expect(await names({ owner: "mallory" })).toEqual([]);
});

test("text of a push is no SQL", async () => {
  const name = "'; drop table function_build; --";
  await storeGoodBuild(database, { ...branch, branch: name, name: "a" }, build("1"));
  expect(await readGoodBuilds(database, { ...branch, branch: name })).toEqual(new Map([["a", build("1")]]));
});
