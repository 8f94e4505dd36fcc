import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { writeArchive } from "../src/contexts/write-archive.ts";
import type { Context, Entry } from "../src/model/context.ts";

/** What an archive for a bench holds: a Dockerfile and made-up files that no run had before. */
export interface Content {
  readonly dockerfile: string;
  readonly image: string;
  /** So many files. */
  readonly count: number;
  /** Bytes of each. */
  readonly bytes: number;
}

const perFolder = 500;
const regular = 0o644;
const folderMode = 0x80000000 + 0o755;

/** Writes an archive of the build API; a file of that name is replaced. */
export async function writeBenchArchive(file: string, content: Content, signal: AbortSignal): Promise<void> {
  await rm(file, { force: true });
  const config = Buffer.from(JSON.stringify({ image: content.image }));
  const files = { "com.openfaas.docker.config": config };
  await writeArchive(file, { context: contextOf(content), files }, { signal, onChunk: () => undefined });
}

function contextOf({ dockerfile, count, bytes }: Content): Context {
  const random = randomBytes(1024 * 1024);
  const modifiedNs = BigInt(Date.now()) * 1_000_000n;
  const common = { modifiedNs, linkTarget: "" };
  const file = (path: string, size: number, from: Buffer): Entry => ({
    ...common,
    path,
    mode: regular,
    size,
    open: () => repeat(from, size),
  });
  const folder = (path: string): Entry => ({ ...common, path, mode: folderMode, size: 0, open: refuse });
  const folders = Array.from(
    { length: Math.ceil(count / perFolder) },
    (_, at) => `data/${String(at).padStart(4, "0")}`,
  );
  const filesOf = (path: string) =>
    Array.from({ length: Math.min(perFolder, count - folders.indexOf(path) * perFolder) }, (_, at) =>
      file(`${path}/${String(at).padStart(4, "0")}.bin`, bytes, random),
    );
  return {
    async list(directory) {
      const text = Buffer.from(dockerfile);
      if (directory === "") return [file("Dockerfile", text.length, text), folder("data")];
      return directory === "data" ? folders.map(folder) : filesOf(directory);
    },
  };
}

function repeat(from: Buffer, size: number) {
  let at = 0;
  return {
    read(target: Uint8Array): number {
      const length = Math.min(target.length, size - at, from.length);
      target.set(from.subarray(0, length));
      at += length;
      return length;
    },
    close: () => undefined,
  };
}

function refuse(): never {
  throw new Error("only files can be read");
}
