import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import {
  type FileHandle,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
} from "node:fs/promises";
import { join } from "node:path";
import { BuilderError } from "../errors.ts";

interface Incoming {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly modifiedNs: bigint;
}

interface OpenFile extends Incoming {
  handle?: FileHandle;
}

type Kind = "folder" | "file" | "other";

const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** Writes what is received below one folder and nowhere else: see folder-receiver.ts for the rules. */
export class FolderWriter {
  readonly #root: string;
  readonly #kinds = new Map<string, Kind>();
  readonly #files = new Map<number, OpenFile>();
  readonly #folders: Incoming[] = [];
  readonly #links: (Incoming & { target: string })[] = [];
  readonly #mark = `.of-builder-${randomBytes(6).toString("hex")}-`;

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes the folder itself. */
  async open(): Promise<void> {
    await mkdir(this.#root, { recursive: true });
  }

  /** Makes a folder, or takes the real one that is there. */
  async addFolder(entry: Incoming): Promise<void> {
    const path = this.#claim(entry.path, "folder");
    const there = await lstat(path).catch(() => undefined);
    if (there !== undefined && !there.isDirectory()) await unlink(path);
    // Until all is written it has to be open to us.
    if (there?.isDirectory() !== true) await mkdir(path, 0o700);
    this.#folders.push(entry);
  }

  async addSymlink(entry: Incoming & { target: string }): Promise<void> {
    const path = this.#claim(entry.path, "other");
    await rm(path, { recursive: true, force: true });
    await symlink(entry.target, path);
    await lutimes(path, seconds(entry), seconds(entry));
  }

  /** A second name of a file that was sent before; it is made when the file is complete. */
  addLink(entry: Incoming & { target: string }): void {
    if (this.#kinds.get(entry.target) !== "file")
      throw refused(`"${entry.path}" is a link to "${entry.target}", which is no file sent before`);
    this.#claim(entry.path, "file");
    this.#links.push(entry);
  }

  /** Notes a file whose content will come under a number. */
  addFile(id: number, entry: Incoming): void {
    this.#claim(entry.path, "file");
    this.#files.set(id, { ...entry });
  }

  /** Leaves an entry out. */
  skip(path: string): void {
    this.#claim(path, "other");
  }

  async writeFile(id: number, data: Uint8Array): Promise<void> {
    const file = this.#file(id);
    file.handle ??= await open(this.#temporary(id), newFile, 0o600);
    await file.handle.writeFile(data);
  }

  async endFile(id: number): Promise<void> {
    const file = this.#file(id);
    file.handle ??= await open(this.#temporary(id), newFile, 0o600);
    await file.handle.chmod(file.mode);
    await file.handle.utimes(seconds(file), seconds(file));
    await file.handle.close();
    await this.#place(this.#temporary(id), file.path);
    this.#files.delete(id);
  }

  /** Whether every file that was announced has come. */
  isComplete(): boolean {
    return this.#files.size === 0;
  }

  /** Deletes what was not sent. Links are deleted and not followed: only folders that were sent are looked into. */
  async deleteOthers(folder = ""): Promise<void> {
    for (const { name } of await readdir(join(this.#root, folder), { withFileTypes: true })) {
      const path = folder === "" ? name : `${folder}/${name}`;
      const kind = this.#kinds.get(path);
      if (kind === undefined) await rm(join(this.#root, path), { recursive: true, force: true });
      else if (kind === "folder") await this.deleteOthers(path);
    }
  }

  /** Makes the links, and gives the folders their modes and times, the deepest first. */
  async finish(): Promise<void> {
    for (const { path, target } of this.#links) {
      const temporary = join(this.#root, `${this.#mark}link`);
      await link(join(this.#root, target), temporary);
      await this.#place(temporary, path);
      // Between two names of one file rename does nothing.
      await rm(temporary, { force: true });
    }
    for (const folder of this.#folders.toReversed()) {
      await using handle = await open(join(this.#root, folder.path), constants.O_RDONLY | constants.O_NOFOLLOW);
      await handle.chmod(folder.mode);
      await utimes(join(this.#root, folder.path), seconds(folder), seconds(folder));
    }
  }

  /** Closes and removes what is half there. */
  async close(): Promise<void> {
    for (const [id, { handle }] of this.#files) {
      await handle?.close();
      await rm(this.#temporary(id), { force: true });
    }
    this.#files.clear();
  }

  async #place(temporary: string, path: string): Promise<void> {
    const target = join(this.#root, path);
    const there = await lstat(target).catch(() => undefined);
    if (there?.isDirectory() === true) await rm(target, { recursive: true });
    await rename(temporary, target);
  }

  #temporary(id: number): string {
    return join(this.#root, `${this.#mark}${id}`);
  }

  #file(id: number): OpenFile {
    const file = this.#files.get(id);
    if (file === undefined) throw refused(`data of file ${id}, which was not asked for`);
    return file;
  }

  #claim(path: string, kind: Kind): string {
    const parts = path.split("/");
    if (path.includes("\0") || parts.some((part) => part === "" || part === "." || part === ".."))
      throw refused(`path "${path}" is not clean`);
    const parent = parts.slice(0, -1).join("/");
    if (parent !== "" && this.#kinds.get(parent) !== "folder")
      throw refused(`"${path}" lies in "${parent}", which is no folder sent before`);
    if (this.#kinds.has(path)) throw refused(`"${path}" comes twice`);
    this.#kinds.set(path, kind);
    return join(this.#root, path);
  }
}

function refused(what: string): BuilderError {
  return new BuilderError("output_failed", `BuildKit sends ${what}: nothing of it is written`);
}

/** Times of the disk are taken as seconds with a fraction. */
function seconds({ modifiedNs }: Incoming): number {
  return Number(modifiedNs) / 1e9;
}
