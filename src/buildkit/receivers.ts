/*
 * What a build sends back to us (moby.filesync.v1.FileSend/DiffCopy): a call per output, its place among the
 * exporters in the header buildkit-attachable-exporter-id (absent on old daemons, which have only one). A tar comes
 * as raw bytes until the daemon has said all; a folder comes as packets of the file sync, see folder-receiver.ts.
 */
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { BuilderError, messageOf } from "../errors.ts";
import type { ClientOutput, TarTarget } from "./exporters.ts";
import { receiveFolder } from "./folder-receiver.ts";
import { FileSendService } from "./generated/file-send.ts";
import { status } from "./grpc-status.ts";
import { pour } from "./pour.ts";
import { CallError, type CallHandler, type IncomingCall } from "./session-calls.ts";

const placeHeader = "buildkit-attachable-exporter-id";

/**
 * Takes the outputs of a build.
 * @param outputs in the order of the request's exporters
 */
export function createReceivers(outputs: readonly ClientOutput[]): [path: string, handler: CallHandler] {
  const handler: CallHandler = async (call) => {
    const place = call.header(placeHeader)[0] ?? "0";
    const output = /^\d{1,4}$/u.test(place) ? outputs[Number(place)] : undefined;
    if (output === undefined) throw new CallError(status.NOT_FOUND, `there is no output ${place}`);
    if (output.type === "local") await receiveFolder(call, output.folder, { deletes: output.mode === "delete" });
    else if ("to" in output) await receiveTar(call, output.to);
    else throw new CallError(status.FAILED_PRECONDITION, `output ${place} comes as blobs`);
  };
  return [FileSendService.diffCopy.path, handler];
}

async function receiveTar(call: IncomingCall, target: TarTarget): Promise<void> {
  if (typeof target === "string") await receiveFile(call, target);
  else await pour(call, await target());
}

/** The file takes its name when it is complete: half of a tar is of no use to anybody. */
async function receiveFile(call: IncomingCall, path: string): Promise<void> {
  const partial = `${path}.${randomBytes(6).toString("hex")}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await pour(call, createWriteStream(partial, { flags: "wx" }));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true }).catch(() => undefined);
    if (call.signal.aborted || error instanceof BuilderError) throw error;
    throw new BuilderError("output_failed", `output "${path}" cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
