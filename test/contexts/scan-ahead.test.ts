import { execFileSync } from "node:child_process";
import { chmod, link, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { walk } from "../../src/compose/context-inputs.ts";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { type FolderScan, scanFolder } from "../../src/contexts/folder-scan.ts";
import { hashContext } from "../../src/contexts/hash.ts";
import { createOverlayContext } from "../../src/contexts/overlay.ts";
import { createScanAhead, type ScanAhead } from "../../src/contexts/scan-ahead.ts";
import type { Entry } from "../../src/model/context.ts";
import { createScratch, listAll } from "./scratch.ts";

const { signal } = new AbortController();
const bothWays = ["keep", "resolve"] as const;
type Links = (typeof bothWays)[number];
/** Looks at everything himself. */
const alone: ScanAhead = { expect: () => ({ [Symbol.dispose]() {} }), take: () => undefined, listed() {} };

/** Has scanned everything, and notes what he was told of. */
function allScanned(links: Links): ScanAhead & { readonly told: string[]; readonly scans: FolderScan[] } {
  const told: string[] = [];
  const scans: FolderScan[] = [];
  return {
    ...alone,
    told,
    scans,
    expect(paths) {
      told.push(...paths);
      return alone.expect(paths);
    },
    take(path) {
      const scan = scanFolder(path, links);
      if (scan) scans.push(scan);
      return scan;
    },
  };
}

/** What is told of an entry, beside how it is opened. */
const facts = (entries: readonly Entry[]) => entries.map(({ open: _open, ...told }) => told);

async function writeFolders(folder: string, count: number): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, at) => join(folder, `d${at}`));
  for (const path of paths) {
    await mkdir(path, { recursive: true });
    for (let file = 0; file < 20; file += 1) await writeFile(join(path, `f${file}`), `${path} ${file}`);
  }
  return paths;
}

/** Starts the thread with what counts as many files, and answers what it has scanned. */
async function scannedByThread(path: string): Promise<FolderScan> {
  const ahead = createScanAhead("keep");
  ahead.listed(100_000);
  for (;;) {
    using _told = ahead.expect([path]);
    await setTimeout(5);
    const scan = ahead.take(path);
    if (scan) return scan;
  }
}

test.for(bothWays)("%s: what is listed is the same, whoever has scanned it", async (links) => {
  await using scratch = await createScratch();
  const { folder } = scratch;
  for (const name of ["a/b", "empty", "é", "\u{1f600}", "\uffee"]) await mkdir(join(folder, name), { recursive: true });
  for (const name of ["a/file", "a/b/x", "é/ü", "\u{1f600}/y", "\uffee/z"]) await writeFile(join(folder, name), name);
  await chmod(join(folder, "a/file"), 0o4750);
  execFileSync("touch", ["-d", "1961-02-03 04:05:06.123456789Z", join(folder, "a/b/x")]);
  await link(join(folder, "a/file"), join(folder, "é/other name"));
  await symlink("../a/file", join(folder, "é/link"));
  await symlink("../a/b", join(folder, "é/folder link"));
  await mkdir(Buffer.concat([Buffer.from(`${folder}/a/`), Buffer.from([0x66, 0xff])]));
  if (links === "keep") execFileSync("mkfifo", [join(folder, "a/pipe")]);
  const scanAhead = allScanned(links);
  const entriesOf = (ahead: ScanAhead) =>
    listAll(createDirectoryContext(folder, { within: folder, links, scanAhead: ahead }));
  const entries = await entriesOf(scanAhead);
  expect(facts(entries)).toEqual(facts(await entriesOf(alone)));
  expect(entries.length).toBeGreaterThan(14);
  expect(scanAhead.scans.length).toBeGreaterThan(3);
});

test.for(bothWays)("%s: a scanned folder that leads out of the tree gives nothing away", async (links) => {
  await using scratch = await createScratch();
  await mkdir(join(scratch.folder, "in"));
  await writeFolders(join(scratch.folder, "out"), 1);
  await symlink("../out", join(scratch.folder, "in/sub"));
  const within = join(scratch.folder, "in");
  // Scanned when it was a folder, and then replaced.
  const scan = scanFolder(join(within, "sub/d0"), links) as FolderScan;
  expect(scan.names).toContain("f1/f10");
  const context = createDirectoryContext(within, { within, links, scanAhead: { ...alone, take: () => scan } });
  if (links === "keep") expect(await context.list("sub/d0")).toEqual([]);
  else await expect(context.list("sub/d0")).rejects.toMatchObject({ code: "path_forbidden" });
});

test("what is rare or at fault is left to whoever needs it", async () => {
  await using scratch = await createScratch();
  const { folder } = scratch;
  await writeFolders(folder, 1);
  await symlink("d0", join(folder, "link"));
  await mkdir(join(folder, "raw"));
  await writeFile(Buffer.concat([Buffer.from(`${folder}/raw/`), Buffer.from([0xff])]), "");
  for (const name of ["missing", "d0/f1", "raw", "link"])
    expect(scanFolder(join(folder, name), "keep"), name).toBe(undefined);
  expect(scanFolder(join(folder, "link"), "resolve")?.real).toBe(join(folder, "d0"));
});

test("only folders that will be listed are scanned ahead: neither the first one nor what is ignored", async () => {
  await using scratch = await createScratch();
  const { folder } = scratch;
  for (const name of ["a/1", "a/2", "a/3", "b", "node_modules/x", "node_modules/y", "z"])
    await mkdir(join(folder, name), { recursive: true });
  const scanAhead = allScanned("resolve");
  const context = createDirectoryContext(folder, { within: folder, links: "resolve", scanAhead });
  const overlay = createOverlayContext([
    { at: "function", context },
    { at: "", context: { list: async () => [] } },
  ]);
  const inIt = (...names: string[]) => names.map((name) => join(folder, name));
  await walk(context, ["node_modules"], { visit() {}, signal });
  expect(scanAhead.told.splice(0)).toEqual(inIt("b", "z", "a/2", "a/3"));
  await walk(overlay, ["**/a"], { visit() {}, signal });
  expect(scanAhead.told).toEqual(inIt("node_modules", "z", "node_modules/y"));
});

test("another thread scans as this one does", async () => {
  await using scratch = await createScratch();
  const [path = ""] = await writeFolders(scratch.folder, 1);
  expect(await scannedByThread(path)).toEqual(scanFolder(path, "keep"));
});

test("a context that two threads have scanned has the stamp and the content of any other", async () => {
  await using scratch = await createScratch();
  const [path = ""] = await writeFolders(scratch.folder, 100);
  await scannedByThread(path);
  const hash = (scanAhead: ScanAhead) =>
    hashContext(createDirectoryContext(scratch.folder, { within: scratch.folder, links: "resolve", scanAhead }), {
      walk,
      signal,
    });
  let scans = 0;
  while (scans === 0) {
    const real = createScanAhead("resolve");
    const counting: ScanAhead = {
      ...real,
      take(folder) {
        const scan = real.take(folder);
        if (scan) scans += 1;
        return scan;
      },
    };
    const { settled: _, ...told } = await hash(counting);
    expect(await hash(alone)).toMatchObject(told);
  }
});

test("what is no longer expected is not given", async () => {
  await using scratch = await createScratch();
  const [path = ""] = await writeFolders(scratch.folder, 1);
  const ahead = createScanAhead("keep");
  ahead.listed(100_000);
  ahead.expect([path])[Symbol.dispose]();
  expect(ahead.take(path)).toBe(undefined);
});
