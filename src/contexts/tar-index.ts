import { setImmediate } from "node:timers/promises";
import { BuilderError } from "../errors.ts";
import {
  type Context,
  type EntryReader,
  isDirectory,
  isRegular,
  modeDirectory,
  modeSymlink,
} from "../model/context.ts";
import { type ArchiveFile, createArchiveFile } from "./archive-file.ts";
import { quoteName, readableName } from "./entry-name.ts";
import { memberFault, readMembers, type TarMember } from "./tar-members.ts";
import { createTree, type EntryBody, type Tree } from "./tree.ts";

export interface TarLimits {
  /** Members, and files and folders that they make. */
  readonly maxEntries: number;
  readonly maxPathBytes: number;
  /** Folders inside each other. */
  readonly maxDepth: number;
}

/** What lies in an archive and where. The archive is read where it lies for as long as the index is used. */
export interface TarIndex {
  /** Files and folders that it holds in memory. */
  readonly entries: number;
  /**
   * Everything below a folder of the archive.
   * @throws BuilderError `tar_invalid` where the archive has no such folder
   */
  context(folder: string): Context;
  /**
   * Reads a small file.
   * @returns undefined where there is no regular file of that path
   * @throws BuilderError `tar_invalid` where it is larger than `maxBytes`
   */
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
}

const defaultLimits: TarLimits = { maxEntries: 500_000, maxPathBytes: 4096, maxDepth: 128 };
const maxNameBytes = 255;
/** Handing over to others between so many members keeps the process answering. */
const membersAtOnce = 2048;

/**
 * Indexes an uncompressed tar archive in one pass; nothing is extracted, so there is no disk to escape to.
 *
 * Of two members with one name the last wins, folders merge, folders on the way are made where they are missing. Owners
 * are not kept (everything is root's), nor setuid, setgid and sticky bits. A hard link shares the bytes of an earlier
 * file. Refused are names that are absolute or hold "..", members below a link or a file, devices and pipes, sparse
 * files, numbers that make no sense, headers that readers of tar understand in different ways, and archives that are
 * cut off or go on after their end.
 * @param file its path on this disk
 * @throws BuilderError `tar_invalid` naming the member and the rule
 */
export async function indexTar(
  file: string,
  { limits = defaultLimits, signal }: { limits?: TarLimits; signal: AbortSignal },
): Promise<TarIndex> {
  const tree = createTree();
  const archive = createArchiveFile(file);
  let count = 0;
  for await (const member of readMembers(file, { signal })) {
    count += 1;
    if (count % membersAtOnce === 0) await setImmediate();
    addMember({ tree, file: archive, limits }, member);
    if (Math.max(tree.size, count) > limits.maxEntries) {
      throw new BuilderError("tar_invalid", `the archive has more than ${limits.maxEntries} members and folders`);
    }
  }
  return {
    entries: tree.size,
    context: (folder) => contextOf(tree, folder),
    readFile: async (path, maxBytes) => readSmall(tree, path, maxBytes),
  };
}

interface Target {
  readonly tree: Tree;
  readonly file: ArchiveFile;
  readonly limits: TarLimits;
}

function addMember({ tree, file, limits }: Target, member: TarMember): void {
  const fault = (rule: string) => memberFault(member.name, rule);
  const path = parsePath(member.name, limits, fault);
  if (path.length === 0) {
    if (member.kind !== "folder") throw fault("has no name");
    return;
  }
  const body = member.kind === "hardlink" ? shareBytes(tree, member, limits) : bodyOf(file, member);
  tree.put(path, body, fault);
}

/** The parts of a member's name, "." and doubled slashes left out. */
function parsePath(name: Buffer, limits: TarLimits, fault: (rule: string) => BuilderError): readonly Buffer[] {
  if (name.length > limits.maxPathBytes) throw fault(`has a path longer than ${limits.maxPathBytes} bytes`);
  if (name.includes(0)) throw fault("has a NUL in its path");
  if (name[0] === 0x2f) throw fault("has an absolute path: expected a relative one");
  const parts = splitPath(name).filter((part) => part.length > 0 && !part.equals(dot));
  if (parts.some((part) => part.equals(dotDot))) throw fault('has ".." in its path');
  if (parts.some((part) => part.length > maxNameBytes)) throw fault(`has a name longer than ${maxNameBytes} bytes`);
  if (parts.length > limits.maxDepth) throw fault(`lies deeper than ${limits.maxDepth} folders`);
  return parts;
}

const dot = Buffer.from(".");
const dotDot = Buffer.from("..");

function splitPath(path: Buffer): readonly Buffer[] {
  return path
    .toString("latin1")
    .split("/")
    .map((part) => Buffer.from(part, "latin1"));
}

/** Gives an earlier file a further name: from then on both have one inode. */
function shareBytes(tree: Tree, member: TarMember, limits: TarLimits): EntryBody {
  const link = `is a hard link to ${quoteName(readableName(member.linkName))}, which`;
  const fault = (rule: string) => memberFault(member.name, `${link} ${rule}`);
  const path = parsePath(member.linkName, limits, fault);
  const target = tree.find(path);
  if (!target || !isRegular(target)) throw fault("is no earlier file of the archive");
  const shared = { ...target, inode: target.inode ?? `member at ${member.start}` };
  tree.put(path, shared, fault);
  return shared;
}

function bodyOf(file: ArchiveFile, member: TarMember): EntryBody {
  const { kind, mode, size, start, modifiedNs } = member;
  if (kind === "file") return { mode, size, modifiedNs, linkTarget: "", file, start, open: openMember } as EntryBody;
  const noBytes = { size: 0, modifiedNs, open: refuseToOpen };
  if (kind === "folder") return { ...noBytes, mode: modeDirectory + mode, linkTarget: "" };
  if (member.linkName.length === 0 || member.linkName.includes(0))
    throw memberFault(member.name, "is a link to nothing");
  return { ...noBytes, mode: modeSymlink | 0o777, linkTarget: readableName(member.linkName) };
}

/** One for all: a function of its own for each of half a million members would take as much as the member. */
function openMember(this: { file: ArchiveFile; start: number; size: number }): EntryReader {
  return this.file.open(this);
}

function refuseToOpen(): never {
  throw new Error("only files can be read");
}

function contextOf(tree: Tree, folder: string): Context {
  const found = tree.find(splitPath(Buffer.from(folder)));
  if (!found || !isDirectory(found)) {
    throw new BuilderError("tar_invalid", `the archive has no folder ${quoteName(folder)}`, {
      fix: "Put the Dockerfile and its files into a folder context/ at the root of the archive.",
    });
  }
  return tree.context(folder);
}

async function readSmall(tree: Tree, path: string, maxBytes: number): Promise<Buffer | undefined> {
  const entry = tree.find(splitPath(Buffer.from(path)));
  if (!entry || !isRegular(entry)) return undefined;
  if (entry.size > maxBytes) {
    throw new BuilderError("tar_invalid", `archive member ${quoteName(path)} is larger than ${maxBytes} bytes`);
  }
  const bytes = Buffer.alloc(entry.size);
  const reader = entry.open();
  try {
    for (let at = 0, read = 1; read > 0 && at < bytes.length; at += read) read = await reader.read(bytes.subarray(at));
  } finally {
    await reader.close();
  }
  return bytes;
}
