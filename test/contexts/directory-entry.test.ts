import { mkdir, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import type { Entry } from "../../src/model/context.ts";
import { createScratch, listAll, makePipe, textOf } from "./scratch.ts";

const keep = (folder: string) => createDirectoryContext(folder, { within: folder, links: "keep" });
const resolve = (folder: string) => createDirectoryContext(folder, { within: folder, links: "resolve" });
const fault = (code: string, ...words: string[]) =>
  expect.objectContaining({ code, message: expect.stringMatching(words.join(".*")) });

test("an entry that is looked for is the one of its folder's list, also below links and with odd names", async () => {
  await using scratch = await createScratch();
  const { folder } = scratch;
  await mkdir(join(folder, "in/sub"), { recursive: true });
  await writeFile(join(folder, "in/sub/file"), "text");
  await symlink("sub", join(folder, "in/linked"));
  await symlink("linked/file", join(folder, "in/file"));
  await writeFile(Buffer.concat([Buffer.from(`${folder}/in/caf`), Buffer.from([0xe9])]), "latin");
  const plain = ({ open: _, ...entry }: Entry) => entry;
  for (const context of [keep(join(folder, "in")), resolve(join(folder, "in"))]) {
    for (const listed of await listAll(context)) {
      const found = await context.find?.(listed.path);
      expect(found && plain(found), listed.path).toEqual(plain(listed));
    }
  }
  expect(await textOf(resolve(join(folder, "in")), "linked/file")).toBe("text");
  expect(await keep(join(folder, "in")).find?.("linked/file")).toBeUndefined();
});

test("an entry is not there where nothing has that name, nor under a path that is none", async () => {
  await using scratch = await createScratch();
  await mkdir(join(scratch.folder, "sub/build"), { recursive: true });
  await mkdir(join(scratch.folder, "build"));
  const skip = (name: string) => name === "build";
  const context = createDirectoryContext(scratch.folder, { within: scratch.folder, links: "resolve", skip });
  const long = "n".repeat(300);
  for (const path of [
    "absent",
    "build",
    "sub/absent",
    "absent/x",
    "",
    "..",
    "./sub",
    "sub//build",
    "/etc",
    "a\0b",
    long,
  ])
    expect(await context.find?.(path), path).toBeUndefined();
  expect(await context.find?.("sub/build")).toMatchObject({ path: "sub/build" });
});

test("an entry is found whatever lies beside it", async () => {
  await using scratch = await createScratch();
  const { folder } = scratch;
  await mkdir(join(folder, "sub"));
  const server = createServer().listen(join(folder, "socket"));
  await new Promise((done) => server.once("listening", done));
  try {
    for (const place of [folder, join(folder, "sub")]) {
      await writeFile(join(place, "file"), "found");
      makePipe(join(place, "pipe"));
      await symlink("/etc/passwd", join(place, "outward"));
      await symlink("nowhere", join(place, "dangling"));
      await symlink("circle", join(place, "circle"));
    }
    const context = resolve(folder);
    expect([await textOf(context, "file"), await textOf(context, "sub/file")]).toEqual(["found", "found"]);
    for (const [path, code] of [
      ["pipe", "context_invalid"],
      ["socket", "context_invalid"],
      ["outward", "path_forbidden"],
      ["dangling", "context_invalid"],
      ["circle", "context_invalid"],
    ] as const)
      await expect(context.find?.(path)).rejects.toThrow(fault(code, path));
  } finally {
    await new Promise((done) => server.close(done));
  }
});

test.for<[string, string]>([
  ["leak", "path_forbidden"],
  ["out/file", "path_forbidden"],
  ["in/out/file", "path_forbidden"],
  ["up/checkout-secret/file", "path_forbidden"],
  ["up/checkout/file", "context_invalid"],
  ["twin/file", "path_forbidden"],
])("G5 %s is refused: it leads out, or back, by itself or on its way", async ([path, code]) => {
  await using scratch = await createScratch();
  const checkout = join(scratch.folder, "checkout");
  for (const name of ["checkout/in", "checkout-secret"]) {
    await mkdir(join(scratch.folder, name), { recursive: true });
    await writeFile(join(scratch.folder, name, "file"), "secret");
  }
  await writeFile(join(checkout, "file"), "own");
  await symlink("../checkout-secret/file", join(checkout, "leak"));
  await symlink("/etc", join(checkout, "out"));
  await symlink("../../checkout-secret", join(checkout, "in/out"));
  await symlink("..", join(checkout, "up"));
  await symlink("../checkout-secret", join(checkout, "twin"));
  await expect(resolve(checkout).find?.(path)).rejects.toThrow(fault(code));
});
