import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Header, Pax } from "tar";
import type { openArchive } from "../../src/contexts/archive.ts";
import { indexTar, type TarIndex, type TarLimits } from "../../src/contexts/tar-index.ts";
import { createScratch } from "./scratch.ts";

const { signal } = new AbortController();

/** A member as a test wants it, right or wrong. `type` is the type's character. */
export interface Member {
  readonly name: string | Buffer;
  readonly type?: string;
  readonly body?: string | Buffer;
  readonly link?: string;
  readonly mode?: number;
  readonly uid?: number;
  /** Written into the header in place of the body's length. */
  readonly size?: number;
}

/** The bytes of an archive, end mark included. */
export function archive(...members: readonly (Member | Buffer)[]): Buffer {
  const blocks = members.map((member) => (Buffer.isBuffer(member) ? member : memberBytes(member)));
  return Buffer.concat([...blocks, endMark]);
}

const endMark = Buffer.alloc(1024);

export function memberBytes({ name, type = "0", body = "", link = "", mode = 0o644, uid = 0, size }: Member): Buffer {
  const bytes = Buffer.from(body);
  const header = new Header({
    path: "",
    mode,
    uid,
    gid: uid,
    size: size ?? bytes.length,
    mtime: new Date(1_000),
    linkpath: link,
  });
  const block = Buffer.alloc(512);
  header.encode(block);
  block.fill(0, 0, 100);
  Buffer.from(name).copy(block, 0, 0, 100);
  block.write(type, 156);
  return Buffer.concat([sealed(block), padded(bytes)]);
}

/** Sets the checksum of a header block that was changed. */
export function sealed(block: Buffer): Buffer {
  block.fill(" ", 148, 156);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A PAX header with records as they are given: ["path", "x"]. */
export function pax(...records: readonly (readonly [string, string | Buffer])[]): Buffer {
  return memberBytes({ name: "PaxHeader/x", type: "x", body: Buffer.concat(records.map(paxRecord)) });
}

/** GNU's header that gives the member after it a name. */
export function longName(name: string): Buffer {
  return memberBytes({ name: "././@LongLink", type: "L", body: `${name}\0` });
}

/** GNU's header that gives the link after it a target. */
export function longLink(target: string): Buffer {
  return memberBytes({ name: "././@LongLink", type: "K", body: `${target}\0` });
}

function paxRecord([key, value]: readonly [string, string | Buffer]): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** What the tar package makes of a long path by itself. */
export function paxOfPackage(path: string): Buffer {
  return new Pax({ path }).encode();
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** What opening an archive in a folder takes beside its file. */
export function openingIn(folder: string): Parameters<typeof openArchive>[1] {
  return { folder, maxBytes: 2 ** 30, findProgram: async () => undefined, signal };
}

/** Indexes bytes that lie in a file of their own until the test ends. */
export async function openBytes(bytes: Buffer, limits?: TarLimits): Promise<{ index: TarIndex } & AsyncDisposable> {
  const scratch = await createScratch();
  try {
    const file = join(scratch.folder, "archive.tar");
    await writeFile(file, bytes);
    const index = await indexTar(file, { signal, ...(limits && { limits }) });
    return { index, [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose]() };
  } catch (error) {
    await scratch[Symbol.asyncDispose]();
    throw error;
  }
}
