import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { BuilderError, messageOf } from "../errors.ts";

/** Text packs to a fifth, an empty disk image to a thousandth: what grows more than this is meant to fill the disk. */
const maxRatio = 200;
/** Below this nobody is hurt by any ratio. */
const alwaysAllowedBytes = 64 * 1024 * 1024;
/** What is thrown away so that a client which only reads after it has written sees the answer. */
const maxDrainedBytes = 64 * 1024 * 1024;

/**
 * Writes the body of a request to a new file as it arrives.
 * @param options.onChunk sees every byte, in order
 * @throws BuilderError `body_too_large` above `maxBytes`, `body_invalid` when the body does not arrive whole
 */
export async function spoolBody(
  request: IncomingMessage,
  file: string,
  options: { maxBytes: number; onChunk: (chunk: Buffer) => void; signal: AbortSignal },
): Promise<void> {
  const { maxBytes, onChunk, signal } = options;
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  const bounded = limitBytes(maxBytes, () => tooLarge(maxBytes), onChunk);
  // The request itself is not given to the pipeline, which would cut the connection with it on a fault.
  const body = Readable.from(request.iterator({ destroyOnReturn: false }), { objectMode: false });
  try {
    await pipeline(body, bounded, createWriteStream(file, { flags: "wx", mode: 0o600 }), { signal });
  } catch (cause) {
    if (cause instanceof BuilderError) throw cause;
    signal.throwIfAborted();
    if (request.complete || !request.destroyed) throw cause;
    throw new BuilderError("body_invalid", `the body did not arrive whole: ${messageOf(cause)}`, { cause });
  }
}

/** Throws away the rest of a body, within bounds. @returns false where some of it is still to come */
export async function drainBody(request: IncomingMessage): Promise<boolean> {
  let bytes = 0;
  try {
    if (!request.readableEnded && !request.destroyed) {
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        bytes += chunk.length;
        if (bytes > maxDrainedBytes) return false;
      }
    }
  } catch {
    // The client is gone: nobody is left to read an answer.
  }
  return request.complete;
}

/**
 * Unpacks a file into a new one where it is compressed.
 * @returns the file that holds the plain archive
 * @throws BuilderError `tar_invalid` for a compression that is broken or not understood, `body_too_large` for a bomb
 */
export async function unpackBody(
  file: string,
  { target, maxBytes, signal }: { target: string; maxBytes: number; signal: AbortSignal },
): Promise<string> {
  const { magic, size } = await readStart(file);
  if (size === 0) throw new BuilderError("body_invalid", "the body is empty: expected a tar archive");
  const form = forms.find(({ start }) => magic.startsWith(start))?.name;
  if (form === undefined) return file;
  if (form !== "gzip") {
    throw new BuilderError("tar_invalid", `the archive is compressed with ${form}: expected none, or gzip`);
  }
  const allowed = Math.min(maxBytes, Math.max(alwaysAllowedBytes, size * maxRatio));
  const bounded = limitBytes(allowed, () => tooLarge(allowed, "unpacked "));
  try {
    await pipeline(
      createReadStream(file),
      createGunzip(),
      bounded,
      createWriteStream(target, { flags: "wx", mode: 0o600 }),
      {
        signal,
      },
    );
  } catch (cause) {
    if (cause instanceof BuilderError) throw cause;
    signal.throwIfAborted();
    throw new BuilderError("tar_invalid", `the archive cannot be unpacked: ${messageOf(cause)}`, { cause });
  }
  return target;
}

const forms = [
  { start: "1f8b", name: "gzip" },
  { start: "425a68", name: "bzip2" },
  { start: "fd377a585a00", name: "xz" },
  { start: "28b52ffd", name: "zstd" },
] as const;

async function readStart(file: string): Promise<{ magic: string; size: number }> {
  await using handle = await open(file, "r");
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
  return { magic: buffer.toString("hex", 0, bytesRead), size: (await handle.stat()).size };
}

function limitBytes(maxBytes: number, fault: () => Error, onChunk?: (chunk: Buffer) => void): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) return done(fault());
      onChunk?.(chunk);
      done(null, chunk);
    },
  });
}

function tooLarge(maxBytes: number, which = ""): BuilderError {
  return new BuilderError("body_too_large", `the ${which}body is larger than ${maxBytes} bytes`, {
    fix: "Send less, or raise max_body_bytes.",
  });
}
