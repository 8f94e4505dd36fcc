/*
 * gRPC's framing of messages inside an HTTP/2 stream: one byte "compressed" (always 0 here: we offer no
 * compression), four bytes of length, big-endian, then the message.
 */

/** The head of a frame. */
export const frameHeadBytes = 5;
const maxMessageBytes = 16 * 1024 * 1024;

/**
 * Cuts a stream of bytes into messages.
 * @param onMessage gets each message; the buffer is its own to keep
 * @returns what takes each chunk; it throws an Error on a compressed or overlong message
 */
export function createFrameReader(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let neededBytes = frameHeadBytes;
  return (chunk) => {
    pending.push(chunk);
    pendingBytes += chunk.length;
    if (pendingBytes < neededBytes) return;
    let bytes = pending.length === 1 ? chunk : Buffer.concat(pending, pendingBytes);
    for (;;) {
      neededBytes = neededFor(bytes);
      if (bytes.length < neededBytes) break;
      const end = neededBytes;
      const message = bytes.subarray(frameHeadBytes, end);
      bytes = bytes.subarray(end);
      onMessage(message);
    }
    pending = bytes.length === 0 ? [] : [bytes];
    pendingBytes = bytes.length;
  };
}

/** Puts a message into its frame. */
export function frameMessage(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, frameHeadBytes);
  return frame;
}

function neededFor(bytes: Buffer): number {
  if (bytes.length < frameHeadBytes) return frameHeadBytes;
  const length = bytes.readUInt32BE(1);
  if (bytes[0] !== 0) throw new Error("a gRPC message is compressed, expected none to be");
  if (length > maxMessageBytes)
    throw new Error(`a gRPC message has ${length} bytes, expected at most ${maxMessageBytes}`);
  return frameHeadBytes + length;
}
