import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openLocalMemory } from "../../src/compose/local-memory.ts";

const build = (inputs: string, image = "r/a:1") => ({
  inputs,
  image,
  digest: "sha256:1",
  sha: "",
  context: { content: "c", stamp: "s", settled: true },
});

async function createScratch() {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-memory-"));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("what was kept is found the next time, for its folder, function and the image's repository", async () => {
  await using scratch = await createScratch();
  const first = await openLocalMemory(scratch.folder, "/project");
  first.keep("one", build("1"));
  await first.save();
  const second = await openLocalMemory(scratch.folder, "/project");
  expect(second.find("one", "r/a:1")).toEqual(build("1"));
  expect(second.find("one", "r/a:2")).toEqual(build("1"));
  expect(second.find("two", "r/a:1")).toBeUndefined();
  expect(second.find("one", "r/b:1")).toBeUndefined();
  expect((await openLocalMemory(scratch.folder, "/other")).find("one", "r/a:1")).toBeUndefined();
});

test("two at a time do not forget what the other has kept", async () => {
  await using scratch = await createScratch();
  const [one, two] = [await openLocalMemory(scratch.folder, "/p"), await openLocalMemory(scratch.folder, "/p")];
  one.keep("one", build("1", "i"));
  two.keep("two", build("2", "i"));
  await one.save();
  await two.save();
  const later = await openLocalMemory(scratch.folder, "/p");
  expect([later.find("one", "i"), later.find("two", "i")]).toEqual([build("1", "i"), build("2", "i")]);
});

test("the folders built longest ago are forgotten beyond 500", async () => {
  await using scratch = await createScratch();
  const place = join(scratch.folder, "good-builds");
  await mkdir(place);
  for (let at = 0; at < 510; at += 1) {
    await writeFile(join(place, `${at}.json`), "{}");
    await utimes(join(place, `${at}.json`), 1000 + at, 1000 + at);
  }
  const memory = await openLocalMemory(scratch.folder, "/p");
  memory.keep("one", build("1", "i"));
  await memory.save();
  const names = await readdir(place);
  expect(names).toHaveLength(500);
  expect(names).not.toContain("10.json");
  expect(names).toContain("509.json");
  expect((await openLocalMemory(scratch.folder, "/p")).find("one", "i")).toEqual(build("1", "i"));
});
