/*
 * A store of blobs on our side (containerd.services.content.v1.Content), which the daemon reads a cache from and
 * writes one to. The header buildkit-attachable-store-id names the store.
 *
 *   Info digest           -> its size, or "not found"
 *   Read digest from, n   -> the bytes in pieces; n = 0: to the end
 *   Write  STAT ref, total, expected   -> offset 0, or "already exists"
 *          WRITE offset, data ...      -> each answered with the new offset
 *          COMMIT expected [, data]    -> digest
 *
 * A write that broke off is not resumed: it starts anew. Deleting, listing and labels are not offered.
 */
import type { BlobFolder, BlobWriter } from "./blob-folder.ts";
import { messagesOf, sendMessage } from "./call-streams.ts";
import {
  ContentService,
  InfoRequest,
  InfoResponse,
  ReadContentRequest,
  ReadContentResponse,
  WriteContentRequest,
  WriteContentResponse,
} from "./generated/content.ts";
import { status } from "./grpc-status.ts";
import { CallError, type CallHandler, type IncomingCall } from "./session-calls.ts";

const storeHeader = "buildkit-attachable-store-id";
const stat = 0;
const commit = 2;
const pieceBytes = 1024 * 1024;

/** Serves stores by their id, and nothing else. */
export function createContentService(stores: ReadonlyMap<string, BlobFolder>): [path: string, handler: CallHandler][] {
  const find = (call: IncomingCall) => {
    const id = call.header(storeHeader)[0] ?? "";
    const store = stores.get(id);
    if (store === undefined) throw new CallError(status.NOT_FOUND, `there is no store "${id}"`);
    return store;
  };
  return [
    [ContentService.info.path, (call) => tellSize(call, find(call))],
    [ContentService.read.path, (call) => sendBlob(call, find(call))],
    [ContentService.write.path, (call) => takeBlob(call, find(call))],
  ];
}

async function tellSize(call: IncomingCall, store: BlobFolder): Promise<void> {
  const { digest } = InfoRequest.decode(await firstMessage(call));
  const info = { digest, size: BigInt(await sizeOf(store, digest)) };
  await sendMessage(call, InfoResponse.encode({ info }).finish());
}

async function sendBlob(call: IncomingCall, store: BlobFolder): Promise<void> {
  const { digest, offset, size } = ReadContentRequest.decode(await firstMessage(call));
  const end = Number(size) > 0 ? Number(offset + size) : Number.POSITIVE_INFINITY;
  const last = Math.min(await sizeOf(store, digest), end);
  await using blob = await store.read(digest);
  const piece = Buffer.allocUnsafeSlow(pieceBytes);
  for (let at = Number(offset); at < last; ) {
    const { bytesRead } = await blob.read(piece, 0, Math.min(pieceBytes, last - at), at);
    if (bytesRead === 0) break;
    const data = piece.subarray(0, bytesRead);
    await sendMessage(call, ReadContentResponse.encode({ offset: BigInt(at), data }).finish());
    at += bytesRead;
  }
}

async function takeBlob(call: IncomingCall, store: BlobFolder): Promise<void> {
  await using writer = await store.write();
  let expected = "";
  for await (const message of messagesOf(call)) {
    const request = WriteContentRequest.decode(message);
    if (request.expected !== "") expected = request.expected;
    if (request.action === stat && (await store.size(expected)) !== undefined)
      throw new CallError(status.ALREADY_EXISTS, `there is a blob "${expected}" already`);
    const digest = await write(writer, request, expected);
    await sendMessage(call, answer(request, { offset: writer.bytes, digest }));
    if (request.action === commit) return;
  }
}

async function write(writer: BlobWriter, request: WriteContentRequest, expected: string): Promise<string> {
  if (request.action === stat) return "";
  if (request.action !== commit && Number(request.offset) !== writer.bytes)
    throw new CallError(status.OUT_OF_RANGE, `a write at ${request.offset}, expected at ${writer.bytes}`);
  if (request.data.length > 0) await writer.add(request.data);
  if (request.action !== commit) return "";
  try {
    return await writer.commit(expected);
  } catch (cause) {
    throw new CallError(status.FAILED_PRECONDITION, String(cause), { cause });
  }
}

function answer(
  { action, total }: WriteContentRequest,
  { offset, digest }: { offset: number; digest: string },
): Uint8Array {
  return WriteContentResponse.encode({ action, total, offset: BigInt(offset), digest }).finish();
}

async function sizeOf(store: BlobFolder, digest: string): Promise<number> {
  const size = await store.size(digest);
  if (size === undefined) throw new CallError(status.NOT_FOUND, `there is no blob "${digest}"`);
  return size;
}

async function firstMessage(call: IncomingCall): Promise<Buffer> {
  for await (const message of messagesOf(call)) return message;
  throw new CallError(status.INVALID_ARGUMENT, "a call without a message");
}
