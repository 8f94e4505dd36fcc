import { type FileHandle, open } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { BuilderError } from "../errors.ts";
import { gatherPieces } from "./body-pieces.ts";

/** The least that has to come of a body in any span of time. */
export interface Pace {
  readonly spanMs: number;
  readonly minBytes: number;
}

/** A kilobyte a second is less than any line that is of use. */
const defaultPace: Pace = { spanMs: 30_000, minBytes: 30_000 };

/**
 * Writes the body of a request to a new file as it arrives.
 * @param options.onChunk sees every byte, in order
 * @throws BuilderError `body_too_large` above `maxBytes`, `body_slow`, `body_invalid` when the body is empty or does not
 *   arrive whole
 */
export async function spoolBody(
  request: IncomingMessage,
  file: string,
  options: { maxBytes: number; pace?: Pace; onChunk: (chunk: Buffer) => void; signal: AbortSignal },
): Promise<void> {
  const { maxBytes, onChunk } = options;
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxBytes) throw tooLarge(maxBytes);
  using pace = watchPace(request, options.signal, options.pace ?? defaultPace);
  await using output = await open(file, "wx", 0o600);
  let bytes = 0;
  const look = (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxBytes) return tooLarge(maxBytes);
    pace.count(chunk);
    onChunk(chunk);
    return undefined;
  };
  using pieces = gatherPieces(request, { look, signal: pace.signal });
  for (let piece = await pieces.next(); piece.length > 0; piece = await pieces.next()) await write(output, piece);
}

/** Writes a piece to its end: of a disk that is nearly full the system takes a part, and says only then what is wrong. */
async function write(output: FileHandle, piece: readonly Buffer[]): Promise<void> {
  const bytes = piece.reduce((sum, chunk) => sum + chunk.length, 0);
  const { bytesWritten } = await output.writev(piece);
  if (bytesWritten < bytes) await output.writeFile(Buffer.concat(piece).subarray(bytesWritten));
  for (const chunk of piece) freeChunk(chunk);
}

/**
 * Gives a chunk's memory back at once, as nobody needs it any more. V8 only sees the small object in front of each 64 KiB,
 * and lets more than a thousand of them lie before it collects them.
 */
function freeChunk({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** Watches that a body keeps coming; aborts where one span of time brings too little. */
function watchPace(request: IncomingMessage, signal: AbortSignal, { spanMs, minBytes }: Pace) {
  const slow = new AbortController();
  let bytes = 0;
  const check = () => {
    if (bytes >= minBytes || request.complete) bytes = 0;
    else slow.abort(new BuilderError("body_slow", `less than ${minBytes} bytes of the body came within ${spanMs} ms`));
  };
  const timer = setInterval(check, spanMs);
  return {
    signal: AbortSignal.any([signal, slow.signal]),
    count(chunk: Buffer) {
      bytes += chunk.length;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function tooLarge(maxBytes: number): BuilderError {
  return new BuilderError("body_too_large", `the body is larger than ${maxBytes} bytes`, {
    fix: "Send less, or raise max_body_bytes.",
  });
}
