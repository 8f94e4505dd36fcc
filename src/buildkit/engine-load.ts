import type { IncomingMessage } from "node:http";
import { Writable } from "node:stream";
import { BuilderError } from "../errors.ts";
import { parseAddress } from "./address.ts";
import { type Engine, openUpload, readEngine } from "./engine-api.ts";
import type { TlsFiles } from "./tls-files.ts";

/** A Docker engine, wherever it is: "docker:///PATH" or "docker://HOST:PORT". */
export interface EngineAddress {
  readonly address: string;
  readonly tls?: TlsFiles;
}

/**
 * Opens the way into a Docker engine's store: what is written is an image as `docker load` takes it. The sink is
 * finished when the engine has the image, and fails with what the engine says.
 * @throws BuilderError `setting_invalid` where the address is none of a Docker engine; `buildkit_unreachable`
 */
export async function openImageLoad(engine: EngineAddress, { signal }: { signal: AbortSignal }): Promise<Writable> {
  const { address, dialEngine } = parseAddress(engine.address, { tls: engine.tls });
  if (dialEngine === undefined)
    throw new BuilderError("setting_invalid", `"${address}" is no address of a Docker engine`);
  const known = { address, dialEngine };
  const upload = await openUpload(
    known,
    { method: "POST", path: "/images/load?quiet=1", headers: { "content-type": "application/x-tar" } },
    { signal },
  );
  return new Writable({
    write: (chunk, _encoding, done) => void upload.request.write(chunk, done),
    final(done) {
      upload.request.end();
      untilLoaded(known, upload.answer).then(() => done(), done);
    },
    destroy(error, done) {
      upload.request.destroy();
      done(error);
    },
  });
}

/** The answer is 200 even where nothing was loaded. */
async function untilLoaded(engine: Engine, answered: Promise<IncomingMessage>): Promise<void> {
  for await (const { errorDetail } of readEngine(engine, await answered)) {
    if (errorDetail === undefined) continue;
    throw new BuilderError(
      "output_failed",
      `the Docker engine at "${engine.address}" does not take the image: ${reasonOf(errorDetail)}`,
    );
  }
}

function reasonOf(detail: unknown): string {
  const message = typeof detail === "object" && detail !== null && "message" in detail ? detail.message : detail;
  return String(message).slice(0, 300);
}
