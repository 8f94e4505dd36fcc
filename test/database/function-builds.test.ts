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
const stored = (sha: string, order = sha) => ({ ...build(sha), order });

test("the last good build of each function is remembered", async () => {
  expect(await readGoodBuilds(database, branch)).toEqual(new Map());
  await storeGoodBuild(database, { ...branch, name: "a" }, stored("1"));
  await storeGoodBuild(database, { ...branch, name: "b" }, stored("1"));
  await storeGoodBuild(database, { ...branch, name: "a" }, stored("2"));
  expect(await readGoodBuilds(database, branch)).toEqual(
    new Map([
      ["a", build("2")],
      ["b", build("1")],
    ]),
  );
});

test("what an older push has built does not take the place of a newer one's, however late it ends", async () => {
  const main = { ...branch, repository: "ordered" };
  await storeGoodBuild(database, { ...main, name: "a" }, stored("2"));
  await storeGoodBuild(database, { ...main, name: "a" }, stored("1"));
  expect((await readGoodBuilds(database, main)).get("a")).toEqual(build("2"));
  await storeGoodBuild(database, { ...main, name: "a" }, stored("1", "10"));
  expect((await readGoodBuilds(database, main)).get("a")).toEqual(build("1"));
});

test("another spelling is the same repository, another branch, repository or owner is not", async () => {
  await storeGoodBuild(database, { ...branch, name: "a" }, stored("1"));
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
  await storeGoodBuild(database, { ...branch, branch: name, name: "a" }, stored("1"));
  expect(await readGoodBuilds(database, { ...branch, branch: name })).toEqual(new Map([["a", build("1")]]));
});
