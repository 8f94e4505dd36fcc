import { chmod, cp, lstat, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { findBinaries, makeUsable } from "../../src/database/postgres-binaries.ts";
import { succeeds } from "../../src/database/system-user.ts";
import { createScratch, quiet } from "./scratch.ts";

const scratch = await createScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

const place = {
  home: scratch.path,
  data: join(scratch.path, "pg"),
  socketFolder: join(scratch.path, "socket"),
  logFile: join(scratch.path, "postgres.log"),
  copies: join(scratch.path, "copies"),
  identity: undefined,
};

it("makes the links to libraries itself where npm ran no install scripts", async () => {
  const native = join(scratch.path, "package/native");
  await copyWithoutLinks(native);
  expect(await succeeds(join(native, "bin/postgres"), ["--version"], undefined)).toBe(false);

  const binaries = await makeUsable(native, { place, log: quiet });

  expect(binaries).toBe(join(native, "bin"));
  expect((await lstat(join(native, "lib/libpq.so.5"))).isSymbolicLink()).toBe(true);
  expect(await succeeds(join(binaries, "postgres"), ["--version"], undefined)).toBe(true);
});

it("copies a package once that it may not write to, or that its user cannot enter", async () => {
  const native = join(scratch.path, "locked/native");
  await copyWithoutLinks(native);
  await chmod(join(native, "lib"), 0o555);
  await chmod(dirname(native), 0o700);
  const stranger = { ...place, identity: process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined };

  const binaries = await makeUsable(native, { place: stranger, log: quiet });
  const made = await stat(binaries);
  const again = await makeUsable(native, { place: stranger, log: quiet });
  await chmod(join(native, "lib"), 0o755);

  expect(binaries).toMatch(/copies\/postgresql-18[^/]*\/native\/bin$/);
  expect(await succeeds(join(binaries, "initdb"), ["--version"], stranger.identity)).toBe(true);
  expect(again).toBe(binaries);
  expect((await stat(again)).ino).toBe(made.ino);
});

it("says what to do where the package does not run, and leaves no half copy", async () => {
  const native = join(scratch.path, "broken/native");
  await copyWithoutLinks(native);
  await rm(join(native, "pg-symlinks.json"));
  const elsewhere = { ...place, copies: join(scratch.path, "other-copies") };

  await expect(makeUsable(native, { place: elsewhere, log: quiet })).rejects.toMatchObject({ code: "tool_missing" });
  expect((await readdir(elsewhere.copies)).filter((name) => name.includes(".new-"))).toEqual([]);
});

async function copyWithoutLinks(target: string): Promise<void> {
  const installed = dirname(await findBinaries({ place, log: quiet }));
  await cp(dirname(installed), dirname(target), { recursive: true, verbatimSymlinks: true });
  for (const name of await readdir(join(target, "lib"))) {
    const path = join(target, "lib", name);
    if ((await lstat(path)).isSymbolicLink()) await rm(path);
  }
}
