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
  let extension = noExtension;
  for (let offset = 0; ; ) {
    signal.throwIfAborted();
    const header = await readHeader(blocks, offset, extension.records.path);
    if (!header) {
      checkFollowed(extension);
      return await checkEnd(blocks, offset, signal);
    }
    const start = offset + blockBytes;
    let size = header.size;
    if (extensionTypes.has(header.type)) {
      extension = extend(extension, header, await readExtension(blocks, header, start));
    } else {
      const member = createMember(header, start, extension.records);
      size = member.size;
      checkWhole(blocks, member);
      yield member;
      extension = noExtension;
    }
    offset = start + Math.ceil(size / blockBytes) * blockBytes;
  }
}

/** PAX for one member, PAX for all, GNU's long link and long name. */
const extensionTypes = new Set(["x", "g", "K", "L"]);

/** What the headers before a member say of it. */
interface Extension {
  /** Those headers, in their order. */
  readonly headers: readonly TarHeader[];
  readonly records: PaxRecords;
}

const noExtension: Extension = { headers: [], records: {} };

/**
 * Of two headers that tell the same of a member Go takes one and Python the other; of two PAX headers GNU tar and Go
 * forget the first, Python and node-tar take both.
 */
function extend({ headers, records }: Extension, header: TarHeader, told: PaxRecords): Extension {
  if (header.type === "g") {
    // Go forgets the headers before it then, the others do not.
    if (headers.length > 0) throw memberFault(header.name, "stands between a member and the header that describes it");
    return { headers, records };
  }
  if (header.type === "x" && headers.some(({ type }) => type === "x")) {
    throw memberFault(header.name, "is the second PAX header of one member: expected one");
  }
  if (Object.keys(told).some((key) => key in records)) {
    throw memberFault(header.name, "tells the name or the link of one member for the second time");
  }
  return { headers: [...headers, header], records: { ...records, ...told } };
}

/** Go and GNU tar pass over a header that no member follows, Python and bsdtar call the archive damaged. */
function checkFollowed({ headers }: Extension): void {
  const last = headers.at(-1);
  if (last) throw memberFault(last.name, "describes the member after it, and none follows");
}

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
  if (type === "g") return checkGlobal(header.name, parseRecords(header.name, body));
  if (type === "x") return parseRecords(header.name, body);
  const end = body.indexOf(0);
  const name = Buffer.from(end < 0 ? body : body.subarray(0, end));
  return type === "L" ? { path: name } : { linkPath: name };
}

/** What a header tells of all members some readers take for theirs, and others do not. */
function checkGlobal(name: Buffer, { path, linkPath, size }: PaxRecords): PaxRecords {
  if (path || linkPath || size !== undefined) throw memberFault(name, "tells a name, a link or a size of all members");
  return {};
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
  // Of an empty name GNU tar and Python make an empty one, Go keeps that of the member's own header.
  if (extension.path?.length === 0) throw memberFault(header.name, "has an empty name in the header before it");
  const written = kinds.get(header.type);
  if (!written) throw memberFault(name, `is of type ${quoteName(header.type)}: expected files, folders and links`);
  // Archives from before 1988 know folders only by the slash at their end.
  const kind = written === "file" && name.at(-1) === 0x2f ? "folder" : written;
  const size = extension.size ?? header.size;
  checkBodiless(name, { kind, size: written === "folder" ? (extension.size ?? 0) : size });
  return {
    kind,
    name,
    linkName: extension.linkPath ?? header.linkName,
    mode: header.mode & 0o777,
    modifiedNs: extension.modifiedNs ?? header.modifiedNs,
    start,
    size: kind === "file" ? size : 0,
  };
}

/**
 * Folders and links have no bytes. Where the header of one tells a size all the same, some readers pass over so many
 * bytes, and others read headers there: GNU tar does one when it lists and the other when it extracts. Only of the
 * size in a folder's own header do all say that it means nothing; some writers put there what it takes on their disk.
 */
function checkBodiless(name: Buffer, { kind, size }: Pick<TarMember, "kind" | "size">): void {
  if (kind !== "file" && size > 0) {
    throw memberFault(name, `is a ${kindNames[kind]} with a size of ${size} bytes: expected 0`);
  }
}

const kindNames = { folder: "folder", symlink: "symbolic link", hardlink: "hard link" };

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
