import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContextHash } from "../contexts/hash.ts";
import { repositoryOf } from "../model/image-name.ts";
import type { GoodBuild } from "../model/inputs.ts";

/** What is remembered of the last good build of a function on this machine. */
export interface LocalBuild extends GoodBuild {
  readonly context: ContextHash;
}

/** The good builds of one folder, in a file of the data folder. */
export interface LocalMemory {
  /** The last good build of a function in the repository of an image, under whatever tag. */
  find(name: string, image: string): LocalBuild | undefined;
  keep(name: string, build: LocalBuild): void;
  /** Writes what was kept; what another process wrote meanwhile about other functions stays. */
  save(): Promise<void>;
}

/** Builds remembered of one folder, and folders remembered; the oldest go first. */
const maxBuilds = 4000;
const maxFolders = 500;

/**
 * Opens what is remembered of a folder's builds. A file that cannot be read is one that knows nothing: then all is built.
 * @param dataFolder setting `data_path`
 * @param folder absolute path of the stack's folder
 */
export async function openLocalMemory(dataFolder: string, folder: string): Promise<LocalMemory> {
  const place = join(dataFolder, "good-builds");
  const file = join(place, `${createHash("sha256").update(folder).digest("hex").slice(0, 32)}.json`);
  const known = await readBuilds(file);
  const kept = new Map<string, LocalBuild>();
  return {
    find: (name, image) => known.get(keyOf(name, image)),
    keep: (name, build) => void kept.set(keyOf(name, build.image), build),
    async save() {
      if (kept.size === 0) return;
      await mkdir(place, { recursive: true });
      const builds = await readBuilds(file);
      for (const [key, build] of kept) {
        builds.delete(key);
        builds.set(key, build);
      }
      const part = `${file}.${process.pid}.part`;
      await writeFile(part, JSON.stringify({ folder, builds: [...builds].slice(-maxBuilds) }), { mode: 0o600 });
      await rename(part, file);
      await forgetOldest(place);
    },
  };
}

function keyOf(name: string, image: string): string {
  return `${name} ${repositoryOf(image)}`;
}

async function readBuilds(file: string): Promise<Map<string, LocalBuild>> {
  try {
    const { builds } = JSON.parse(await readFile(file, "utf8")) as { builds: [string, LocalBuild][] };
    return new Map(builds);
  } catch {
    return new Map();
  }
}

async function forgetOldest(place: string): Promise<void> {
  const names = await readdir(place);
  if (names.length <= maxFolders) return;
  const aged = await Promise.all(
    names.map(async (name) => {
      const file = join(place, name);
      return {
        file,
        modified: await stat(file).then(
          ({ mtimeMs }) => mtimeMs,
          () => 0,
        ),
      };
    }),
  );
  aged.sort((one, other) => other.modified - one.modified);
  for (const { file } of aged.slice(maxFolders)) await rm(file, { force: true });
}
