import { type FileHandle, open } from "node:fs/promises";
import { constants, createZstdDecompress, type ZstdDecompress } from "node:zlib";
import { BuilderError } from "../errors.ts";

/*
 * A file of zstd is one or more frames in a row: pzstd and zstd's seekable form write many. Between them, or first of
 * all, may lie skippable frames: a magic number from 0x184D2A50 to 0x184D2A5F, the length of what follows (both of four
 * bytes, little-endian), and as many bytes that mean nothing. Node's decompressor stops at the end of the first frame
 * without a word.
 */

/**
 * A header may ask for a window of 4 GiB, which is held in memory while it is unpacked, for as many bodies as come at
 * once. 8 MiB, as a power of two: what level 19 takes, and what RFC 8878 recommends every reader to have.
 */
const maxWindowLog = 23;
const options = { params: { [constants.ZSTD_d_windowLogMax]: maxWindowLog } };
/** Each one costs a stream of its own: so many tiny ones are meant to. */
const maxFrames = 10_000;
const chunkBytes = 256 * 1024;

/**
 * Unpacks all frames of a file.
 * @throws Error where one is broken or cut off, something else follows, or there are too many
 * @throws BuilderError `tar_invalid` where one asks for too large a window
 */
export async function* readZstd(file: string): AsyncGenerator<Buffer> {
  await using handle = await open(file, "r");
  const { size } = await handle.stat();
  let at = 0;
  for (let frames = 0; at < size; frames += 1) {
    if (frames === maxFrames) throw new Error(`it has more than ${maxFrames} frames`);
    const skipped = await skippableBytes(handle, at);
    at += skipped > 0 ? skipped : yield* readFrame(handle, at);
  }
  if (at > size) throw new Error("unexpected end of file");
}

/** @returns how many bytes of the file the frame takes, with those that follow it at once where it fills its last chunk */
async function* readFrame(file: FileHandle, start: number): AsyncGenerator<Buffer, number> {
  const decoder = createZstdDecompress(options);
  // Whoever has left the loop below hears of no error any more, and one that nobody hears ends the process.
  decoder.on("error", () => {});
  const feeding = feed(decoder, file, start).catch((error) => void decoder.destroy(error));
  try {
    yield* decoder as AsyncIterable<Buffer>;
    return decoder.bytesWritten;
  } catch (cause) {
    throw isWindowTooLarge(cause) ? windowFault(cause) : cause;
  } finally {
    decoder.destroy();
    await feeding;
  }
}

/**
 * Gives the decoder what begins at `start`, a chunk at a time, until its frame has ended within one. A pipe would go on
 * with the next chunk, which begins anywhere: that fails, and takes what is not yet read of the frame along.
 */
async function feed(decoder: ZstdDecompress, file: FileHandle, start: number): Promise<void> {
  let resume = () => {};
  // After an error a write is never answered.
  decoder.once("close", () => resume());
  for (let given = 0; !decoder.destroyed && decoder.bytesWritten === given; ) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, start + given);
    if (bytesRead === 0) return void decoder.end();
    given += bytesRead;
    await new Promise<void>((resolve) => {
      resume = resolve;
      decoder.write(buffer.subarray(0, bytesRead), () => resolve());
    });
  }
}

function isWindowTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ZSTD_error_frameParameter_windowTooLarge";
}

function windowFault(cause: unknown): BuilderError {
  const rule = `it asks for a window of more than ${2 ** (maxWindowLog - 20)} MiB`;
  return new BuilderError("tar_invalid", `the archive cannot be unpacked with zstd: ${rule}`, {
    fix: "Pack it with zstd at level 19 or below, without --ultra and --long.",
    cause,
  });
}

/** The length of the skippable frame that begins there, its head included; 0 where another one does. */
async function skippableBytes(file: FileHandle, at: number): Promise<number> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, at);
  if (bytesRead < 8) return 0;
  return (buffer.readUInt32LE(0) & 0xfffffff0) >>> 0 === 0x184d2a50 ? 8 + buffer.readUInt32LE(4) : 0;
}
