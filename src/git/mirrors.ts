import { createHash, randomUUID } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What was fetched of a repository, kept so that the next fetch of it is cheap:
 *
 *     FOLDER/KEY/url               its address, of which KEY is the hash
 *     FOLDER/KEY/objects/pack/     git's packs
 *     FOLDER/KEY/commits/SHA       an empty file for each commit that is whole, without its parents
 *     FOLDER/KEY/refs/HASH         what a branch or tag was, and when (JSON)
 *     FOLDER/incoming-XXXXXX/      being made
 *
 * Git never works in here. Each checkout has a repository of its own that borrows these objects, and its new packs are
 * moved here when all is done: by renames, the file that makes the others count last. So any number of pushes and
 * processes share a mirror without waiting for each other, and one that is killed leaves it as it was. A mirror that is
 * broken all the same is noticed by the checkout that borrows from it, thrown away, and made anew.
 */
export interface Mirrors {
  /** Looks for the mirror of a repository, which counts as used by that. */
  find(url: string): Promise<Mirror | undefined>;
  /**
   * Takes over the packs of a fetch.
   * @param from.base the mirror that was borrowed from, if any
   */
  publish(url: string, from: { packs: string; commit: string; base: Mirror | undefined }): Promise<void>;
  /** Throws a mirror away. */
  discard(mirror: Mirror): Promise<void>;
  readRef(url: string, ref: string): Promise<KnownRef | undefined>;
  writeRef(url: string, ref: string, known: KnownRef): Promise<void>;
}

export interface Mirror {
  readonly folder: string;
  readonly objects: string;
  readonly commits: readonly string[];
  /** Holds so many packs that the next one is a reason to begin anew. */
  readonly full: boolean;
  /** Tells it from another of the same name. */
  readonly identity: string;
}

/** What a branch, a tag or HEAD was at a time. */
export interface KnownRef {
  readonly commit: string;
  readonly fetchedAtMs: number;
}

const maxCommits = 32;
const maxRepositories = 500;
/** What a killed process was making is removed after this long. */
const abandonedMs = 3_600_000;

/** Creates the mirrors of a folder, which need not exist. The least recently used ones go when they pass `maxBytes`. */
export function createMirrors({ folder, maxBytes }: { folder: string; maxBytes: number }): Mirrors {
  const place = (url: string) => join(folder, hashOf(url));
  return {
    async find(url) {
      const mirror = await readMirror(place(url));
      if (mirror) await utimes(mirror.folder, new Date(), new Date()).catch(() => {});
      return mirror;
    },
    async publish(url, { packs, commit, base }) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const incoming = await mkdtemp(join(folder, "incoming-"));
      try {
        await mkdir(join(incoming, "objects/pack"), { recursive: true });
        await moveFiles(packs, join(incoming, "objects/pack"));
        if (base && !base.full) await extend(base, incoming, commit);
        else await replace(place(url), { incoming, url, commit, old: base });
      } finally {
        await rm(incoming, { recursive: true, force: true });
      }
      await sweep(folder, maxBytes);
    },
    discard: (mirror) => throwAway(mirror),
    async readRef(url, ref) {
      const text = await readFile(join(place(url), "refs", hashOf(ref)), "utf8").catch(() => undefined);
      return text === undefined ? undefined : parseKnownRef(text);
    },
    async writeRef(url, ref, known) {
      const refs = join(place(url), "refs");
      const draft = join(refs, `${randomUUID()}.draft`);
      await writeFile(draft, JSON.stringify({ ref, ...known }));
      await rename(draft, join(refs, hashOf(ref)));
    },
  };
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 40);
}

async function readMirror(folder: string): Promise<Mirror | undefined> {
  try {
    const [commits, identity] = await Promise.all([readdir(join(folder, "commits")), identityOf(folder)]);
    return { folder, objects: join(folder, "objects"), commits, full: commits.length >= maxCommits, identity };
  } catch {
    return undefined;
  }
}

async function identityOf(folder: string): Promise<string> {
  const { ino, birthtimeNs } = await stat(folder, { bigint: true });
  return `${ino}:${birthtimeNs}`;
}

/** Moves the packs of one fetch into a mirror that holds everything else their commit needs. */
async function extend(mirror: Mirror, incoming: string, commit: string): Promise<void> {
  const current = await identityOf(mirror.folder).catch(() => undefined);
  if (current !== mirror.identity) return;
  const packs = join(mirror.objects, "pack");
  await mkdir(packs, { recursive: true });
  await moveFiles(join(incoming, "objects/pack"), packs);
  await writeFile(join(mirror.folder, "commits", commit), "");
}

async function replace(
  place: string,
  { incoming, url, commit, old }: { incoming: string; url: string; commit: string; old: Mirror | undefined },
): Promise<void> {
  await Promise.all([mkdir(join(incoming, "commits")), mkdir(join(incoming, "refs"))]);
  await writeFile(join(incoming, "url"), `${url}\n`);
  await writeFile(join(incoming, "commits", commit), "");
  if (old) await throwAway(old);
  try {
    await rename(incoming, place);
  } catch (error) {
    // Somebody else was quicker: theirs is as good.
    if (!["ENOTEMPTY", "EEXIST"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** Gone for others at once: a mirror that is half removed would look whole. */
async function throwAway({ folder, identity }: Mirror): Promise<void> {
  const current = await identityOf(folder).catch(() => undefined);
  if (current !== identity) return;
  const trash = await mkdtemp(join(folder, "../incoming-"));
  await rename(folder, join(trash, "old")).catch(() => {});
  await rm(trash, { recursive: true, force: true });
}

/** Git takes a pack for present when its index is: that comes last. */
async function moveFiles(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).filter((name) => name.startsWith("pack-"));
  for (const name of names.toSorted((a, b) => Number(a.endsWith(".idx")) - Number(b.endsWith(".idx")))) {
    await moveFile(join(from, name), join(to, name));
  }
}

async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await copyFile(from, to);
  }
}

async function sweep(folder: string, maxBytes: number): Promise<void> {
  const places = (await readdir(folder)).map((name) => join(folder, name));
  const known = await Promise.all(places.map(async (place) => ({ place, ...(await weighMirror(place)) })));
  const abandoned = known.filter(({ mirror, usedMs }) => !mirror && usedMs < Date.now() - abandonedMs);
  for (const { place } of abandoned) await rm(place, { recursive: true, force: true });
  let bytes = 0;
  const newestFirst = known.toSorted((a, b) => b.usedMs - a.usedMs);
  for (const [index, { mirror, ...weight }] of newestFirst.filter((each) => each.mirror).entries()) {
    bytes += weight.bytes;
    if (mirror && (bytes > maxBytes || index >= maxRepositories)) await throwAway(mirror);
  }
}

async function weighMirror(place: string): Promise<{ mirror: Mirror | undefined; bytes: number; usedMs: number }> {
  const mirror = place.includes("incoming-") ? undefined : await readMirror(place);
  const usedMs = await stat(place).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(),
  );
  return { mirror, bytes: mirror ? await weighFiles(join(mirror.objects, "pack")) : 0, usedMs };
}

/** The bytes of a folder's files; 0 where there is no such folder. */
export async function weighFiles(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function parseKnownRef(text: string): KnownRef | undefined {
  try {
    const { commit, fetchedAtMs } = JSON.parse(text) as Partial<KnownRef>;
    return typeof commit === "string" && typeof fetchedAtMs === "number" ? { commit, fetchedAtMs } : undefined;
  } catch {
    return undefined;
  }
}
