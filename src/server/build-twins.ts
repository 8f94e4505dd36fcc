import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";

/*
 * Requests of the same bytes share one build. To hash a body of a gigabyte takes as long as to receive it, so only its
 * start is hashed while it arrives. Where a body of the same start and length is being built already, which hardly ever
 * happens by chance, both are compared on disk.
 */

/** What is known of a body when it has arrived. */
export interface BodyPrint {
  /** Equal for equal bodies; different ones of more than a megabyte may have the same. */
  readonly text: string;
  /** Whether the text stands for all bytes. */
  readonly isWhole: boolean;
}

/** Takes the print of a body as it arrives. */
export interface PrintTaker {
  readonly bytes: number;
  update(chunk: Buffer): void;
  take(): BodyPrint;
}

const headBytes = 1024 * 1024;

/** Creates what takes the print of one body. */
export function createPrintTaker(): PrintTaker {
  const hash = createHash("sha256");
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    update(chunk) {
      if (bytes < headBytes) hash.update(chunk.subarray(0, headBytes - bytes));
      bytes += chunk.length;
    },
    take: () => ({ text: `${bytes} ${hash.digest("hex")}`, isWhole: bytes <= headBytes }),
  };
}

/** An archive that lies on disk for as long as its build is under way. */
export interface ArchiveOnDisk {
  readonly print: BodyPrint;
  readonly file: string;
}

/** Names archives so that those of the same bytes have one name. */
export interface Twins {
  /**
   * Names an archive by its bytes; a new name is good until it is forgotten.
   * @throws the signal's reason
   */
  nameOf(archive: ArchiveOnDisk, options: { signal: AbortSignal }): Promise<string>;
  forget(name: string): void;
}

/** Creates names; none is given yet. */
export function createTwins(): Twins {
  const files = new Map<string, string>();
  let count = 0;
  return {
    async nameOf({ print, file }, { signal }) {
      if (print.isWhole) return print.text;
      for (const [name, other] of files) {
        if (name.startsWith(`${print.text} `) && (await haveSameBytes(file, other, signal)) && files.has(name)) {
          return name;
        }
      }
      count += 1;
      const name = `${print.text} ${count}`;
      files.set(name, file);
      return name;
    },
    forget: (name) => void files.delete(name),
  };
}

/** A file that goes meanwhile is nobody's twin any more. */
async function haveSameBytes(one: string, other: string, signal: AbortSignal): Promise<boolean> {
  try {
    await using left = await open(one, "r");
    await using right = await open(other, "r");
    const buffers = [Buffer.allocUnsafe(headBytes), Buffer.allocUnsafe(headBytes)] as const;
    for (;;) {
      signal.throwIfAborted();
      const [here, there] = await Promise.all([fill(left, buffers[0]), fill(right, buffers[1])]);
      if (!here.equals(there)) return false;
      if (here.length === 0) return true;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function fill(file: FileHandle, buffer: Buffer): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length);
  return buffer.subarray(0, bytesRead);
}
