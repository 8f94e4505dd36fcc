import { open } from "node:fs/promises";
import { BuilderError, messageOf } from "../errors.ts";
import { quoteName, readableName } from "./entry-name.ts";
import { type PaxRecords, parsePax } from "./pax.ts";
import { blockBytes, openBlocks, type TarBlocks } from "./tar-blocks.ts";
import { parseHeader, parseName, type TarHeader } from "./tar-header.ts";

/*
 * A tar archive is a row of blocks of 512 bytes: per member a header (name, mode, size, time, type, checksum), then its
 * bytes filled up to a block. Members of type x (PAX), L and K (GNU) hold a long name, size or time for the member
 * after them; g (PAX, global) is passed over as Docker does. A block of zeros ends the archive, and only zeros follow.
 * What two readers could understand in two ways is refused: then nothing can be smuggled past one of them.
 */

/** One file, folder or link of an archive as it is written there; names are still a stranger's. */
export interface TarMember {
  readonly kind: "file" | "folder" | "symlink" | "hardlink";
  readonly name: Buffer;
  readonly linkName: Buffer;
  /** Permission bits only: of setuid, setgid and sticky nothing is kept. */
  readonly mode: number;
  readonly modifiedNs: bigint;
  /** Where its bytes lie in the archive; `size` is 0 for all but files. */
  readonly start: number;
  readonly size: number;
}

/** Headers that describe another one are held in memory, so they are small; Go's limit too. */
const maxExtensionBytes = 1024 * 1024;

/**
 * Reads the members of an uncompressed archive in their order.
 * @throws BuilderError `tar_invalid` naming the member, or its place, and the rule it breaks
 */
export async function* readMembers(path: string, { signal }: { signal: AbortSignal }): AsyncGenerator<TarMember> {
  await using file = await open(path, "r");
  const blocks = await openBlocks(file);
  let extension: PaxRecords = {};
  for (let offset = 0; ; ) {
    signal.throwIfAborted();
    const header = await readHeader(blocks, offset, extension.path);
    if (!header) return await checkEnd(blocks, offset, signal);
    const start = offset + blockBytes;
    let size = header.size;
    if (extensionTypes.has(header.type)) {
      extension = { ...extension, ...(await readExtension(blocks, header, start)) };
    } else {
      const member = createMember(header, start, extension);
      size = member.size;
      checkWhole(blocks, member);
      yield member;
      extension = {};
    }
    offset = start + Math.ceil(size / blockBytes) * blockBytes;
  }
}

/** PAX for one member, PAX for all, GNU's long link and long name. */
const extensionTypes = new Set(["x", "g", "K", "L"]);

/** Directories and links have no bytes, whatever their header says (so do Go and GNU tar). */
const kinds = new Map<string, TarMember["kind"]>([
  ["0", "file"],
  ["7", "file"],
  ["1", "hardlink"],
  ["2", "symlink"],
  ["5", "folder"],
]);

/** @param longName what the headers before say that the member's name is */
async function readHeader(
  blocks: TarBlocks,
  offset: number,
  longName: Buffer | undefined,
): Promise<TarHeader | undefined> {
  const block = await blocks.read(offset, blockBytes);
  if (block.length < blockBytes) {
    throw new BuilderError(
      "tar_invalid",
      `the archive ends after ${blocks.size} bytes without its end mark: it is no tar archive, or incomplete`,
    );
  }
  try {
    return parseHeader(block);
  } catch (cause) {
    // What is no header has a name all the same: a few words of what stands there.
    const name = readableName(longName ?? parseName(block));
    const member = name === "" ? "the member" : `the member ${quoteName(name)}`;
    throw new BuilderError("tar_invalid", `${member} at byte ${offset} of the archive ${messageOf(cause)}`, { cause });
  }
}

async function readExtension(blocks: TarBlocks, header: TarHeader, start: number): Promise<PaxRecords> {
  const { type, size } = header;
  if (size > maxExtensionBytes)
    throw memberFault(header.name, `has an extended header larger than ${maxExtensionBytes} bytes`);
  const body = await blocks.read(start, size);
  if (body.length < size) throw memberFault(header.name, cutOff);
  if (type === "g") return {};
  if (type === "x") return parseRecords(header.name, body);
  const end = body.indexOf(0);
  const name = Buffer.from(end < 0 ? body : body.subarray(0, end));
  return type === "L" ? { path: name } : { linkPath: name };
}

function parseRecords(name: Buffer, body: Buffer): PaxRecords {
  try {
    return parsePax(body);
  } catch (cause) {
    throw memberFault(name, messageOf(cause), cause);
  }
}

function createMember(header: TarHeader, start: number, extension: PaxRecords): TarMember {
  const name = extension.path ?? header.name;
  const written = kinds.get(header.type);
  if (!written) throw memberFault(name, `is of type ${quoteName(header.type)}: expected files, folders and links`);
  // Archives from before 1988 know folders only by the slash at their end.
  const kind = written === "file" && name.at(-1) === 0x2f ? "folder" : written;
  return {
    kind,
    name,
    linkName: extension.linkPath ?? header.linkName,
    mode: header.mode & 0o777,
    modifiedNs: extension.modifiedNs ?? header.modifiedNs,
    start,
    size: kind === "file" ? (extension.size ?? header.size) : 0,
  };
}

function checkWhole(blocks: TarBlocks, { name, start, size }: TarMember): void {
  if (start + size > blocks.size) throw memberFault(name, cutOff);
}

const cutOff = "is cut off: the archive is incomplete";

/** A further archive, or anything else, after the end mark is what some readers see and others do not. */
async function checkEnd(blocks: TarBlocks, offset: number, signal: AbortSignal): Promise<void> {
  for (let at = offset; at < blocks.size; ) {
    signal.throwIfAborted();
    const bytes = await blocks.read(at, blockBytes * 128);
    if (!bytes.every((byte) => byte === 0)) {
      throw new BuilderError("tar_invalid", `the archive goes on after its end mark at byte ${offset}`);
    }
    at += bytes.length;
  }
}

/** A fault of one member; control characters of its name are escaped. */
export function memberFault(name: Buffer, rule: string, cause?: unknown): BuilderError {
  return new BuilderError("tar_invalid", `archive member ${quoteName(readableName(name))} ${rule}`, { cause });
}
