import { spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { Duplex, Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { BuilderError, messageOf } from "../errors.ts";
import { readZstd } from "./zstd-frames.ts";

/** Text packs to a fifth, an empty disk image to a thousandth: what grows more than this is meant to fill the disk. */
const maxRatio = 200;
const chunkBytes = 1024 * 1024;
/** Below this nobody is hurt by any ratio. */
const alwaysAllowedBytes = 64 * 1024 * 1024;
/** xz at its highest level needs 65 MiB; a header may ask for 4 GiB. */
const maxXzMemory = "100MiB";

export interface Unpacking {
  /** A file that does not exist yet, for the plain archive. */
  readonly target: string;
  /** Of the plain archive. */
  readonly maxBytes: number;
  /** Finds a program of the system; undefined where there is none. */
  readonly findProgram: (name: string) => Promise<string | undefined>;
  readonly signal: AbortSignal;
}

/**
 * Unpacks a file into a new one where it is compressed with gzip, bzip2, xz or zstd, which its first bytes tell. gzip
 * and zstd are Node's own; bzip2 and xz are the system's programs, as in Docker.
 *
 * What each program itself reads as one stream is one: members, frames or streams of its own in a row, and padding of
 * zeros where it has any (gzip at the end, xz in fours). What it would pass over with a warning is refused: another
 * reader may not.
 * @returns the file that holds the plain archive: the given one where it is not compressed
 * @throws BuilderError `tar_invalid` for a compression that is broken, `body_too_large` for a bomb, `not_configured`
 *   where this machine lacks the program
 */
export async function unpack(file: string, { target, maxBytes, findProgram, signal }: Unpacking): Promise<string> {
  const { magic, size } = await readStart(file);
  const form = forms.find(({ start }) => start.test(magic));
  if (form === undefined) return file;
  const allowed = Math.min(maxBytes, Math.max(alwaysAllowedBytes, size * maxRatio));
  const { stages, checkRest } = await form.open(file, findProgram);
  try {
    const output = createWriteStream(target, { flags: "wx", mode: 0o600, highWaterMark: chunkBytes });
    await pipeline([...stages, limitBytes(allowed), output], { signal });
    await checkRest?.(signal);
  } catch (cause) {
    if (cause instanceof BuilderError) throw cause;
    signal.throwIfAborted();
    throw new BuilderError("tar_invalid", `the archive cannot be unpacked with ${form.name}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return target;
}

interface Form {
  /** How the first bytes look, in hex. */
  readonly start: RegExp;
  readonly name: string;
  open(file: string, find: Unpacking["findProgram"]): Promise<OpenForm>;
}

interface OpenForm {
  /** The streams that follow each other from the file to its plain bytes. */
  readonly stages: readonly (Readable | Duplex)[];
  /** Looks at what the stages left of the file, where they do not do so themselves. */
  checkRest?(signal: AbortSignal): Promise<void>;
}

const forms: readonly Form[] = [
  { start: /^1f8b/, name: "gzip", open: openGzip },
  {
    start: /^(?:28b52ffd|5.2a4d18)/,
    name: "zstd",
    open: async (file) => ({ stages: [Readable.from(readZstd(file))] }),
  },
  { start: /^425a68/, name: "bzip2", open: throughProgram("bzip2", ["-dc"]) },
  {
    start: /^fd377a585a00/,
    name: "xz",
    open: throughProgram("xz", ["-dc", "-T1", `--memlimit-decompress=${maxXzMemory}`]),
  },
];

/** Node's decompressor ends without a word at the first zero that follows a member, and gzip(1) where all are zeros. */
async function openGzip(file: string): Promise<OpenForm> {
  const gunzip = createGunzip();
  return {
    stages: [readFile(file), gunzip],
    async checkRest(signal) {
      const start = gunzip.bytesWritten;
      for await (const rest of createReadStream(file, { start, highWaterMark: chunkBytes, signal })) {
        if (!rest.equals(Buffer.alloc(rest.length))) throw new Error("something else follows its end");
      }
    },
  };
}

function readFile(file: string): Readable {
  return createReadStream(file, { highWaterMark: chunkBytes });
}

function throughProgram(name: string, args: readonly string[]): Form["open"] {
  return async (file, find) => {
    const program = await openProgram({ name, args }, find);
    return { stages: [readFile(file), program] };
  };
}

async function readStart(file: string): Promise<{ magic: string; size: number }> {
  await using handle = await open(file, "r");
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(8), 0, 8, 0);
  return { magic: buffer.toString("hex", 0, bytesRead), size: (await handle.stat()).size };
}

/** A program as a stream: what it is given goes in, what it makes comes out, and its failure is the stream's. */
async function openProgram(
  { name, args }: { name: string; args: readonly string[] },
  find: Unpacking["findProgram"],
): Promise<Duplex> {
  const program = await find(name);
  if (program === undefined) {
    throw new BuilderError(
      "not_configured",
      `the archive is compressed with ${name}, which this server does not have`,
      {
        fix: `Install ${name} on the server, or send the archive plain or with gzip or zstd.`,
      },
    );
  }
  const child = spawn(program, args, { stdio: "pipe", env: { LC_ALL: "C" } });
  const told = readTail(child.stderr);
  const ended = once(child, "close");
  ended.catch(() => {});
  const stream = Duplex.from({ writable: child.stdin, readable: unpacked(child.stdout, { ended, told }) });
  stream.once("close", () => child.kill("SIGKILL"));
  return stream;
}

/**
 * Ends well only when the program has: a broken archive makes output before it makes an error. Of what follows the end
 * bzip2 just says that it was ignored.
 */
async function* unpacked(
  output: Readable,
  { ended, told }: { ended: Promise<unknown[]>; told: () => string },
): AsyncGenerator<Buffer> {
  yield* output as AsyncIterable<Buffer>;
  const [code] = await ended;
  if (code !== 0) throw new Error(told() || `it ended with ${code}`);
  if (told() !== "") throw new Error(`it warns of "${told()}"`);
}

function readTail(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text = (text + chunk).slice(-500);
  });
  return () =>
    text
      .trim()
      .split("\n")[0]
      ?.replace(/^[^:]*: \(stdin\): /, "") ?? "";
}

function limitBytes(maxBytes: number): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= maxBytes) return done(null, chunk);
      done(
        new BuilderError("body_too_large", `the unpacked body is larger than ${maxBytes} bytes`, {
          fix: "Send less, or raise max_body_bytes.",
        }),
      );
    },
  });
}
