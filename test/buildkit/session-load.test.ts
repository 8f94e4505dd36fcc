import { expect, test } from "vitest";
import { createFileSync, diffCopyPath } from "../../src/buildkit/file-sync.ts";
import { Packet } from "../../src/buildkit/generated/fsutil.ts";
import { HealthCheckRequest, HealthCheckResponse, HealthService } from "../../src/buildkit/generated/health.ts";
import { createHealth } from "../../src/buildkit/health.ts";
import type { EntryReader } from "../../src/model/context.ts";
import { createMemoryContext } from "./memory-context.ts";
import { openSessionPeer, type SessionPeer } from "./session-peer.ts";

const [stat, request, data, finished] = [0, 1, 2, 3];

test.for([
  { what: "one large file", files: 1, bytes: 2 ** 27 },
  { what: "a great many small files", files: 20_000, bytes: 1 },
])("the daemon's question whether we live is answered again and again while $what is sent", async (load) => {
  let read = 0;
  const open = () =>
    readerOf(load.bytes, (bytes) => {
      read += bytes;
    });
  const files = Array.from({ length: load.files }, (_, at) => [`file-${at}`, { size: load.bytes, open }]);
  const contexts = new Map([["context", createMemoryContext(Object.fromEntries(files))]]);
  const peer = await openSessionPeer(new Map([createHealth(), [diffCopyPath, createFileSync(contexts)]]));
  const all = load.files * load.bytes;
  const readWhenAnswered = [0];
  const ask = () => {
    readWhenAnswered.push(read);
    if (read < all) askHealth(peer, ask);
  };
  expect(await copyAll(peer, load.files, ask)).toBe(all);
  const readBetween = readWhenAnswered.map((at, index) => at - (readWhenAnswered[index - 1] ?? 0));
  expect(Math.max(...readBetween)).toBeLessThan(all / 2);
});

/** Reads as a source does that answers at once. */
function readerOf(bytes: number, onRead: (bytes: number) => void): EntryReader {
  let left = bytes;
  return {
    read(target) {
      const length = Math.min(target.length, left);
      left -= length;
      onRead(length);
      return length;
    },
    close: () => undefined,
  };
}

function askHealth(peer: SessionPeer, onAnswer: () => void): void {
  const check = peer.call(HealthService.check.path, (message) => {
    expect(HealthCheckResponse.decode(message).status).toBe(1);
    onAnswer();
  });
  check.say(HealthCheckRequest.encode({ service: "" }).finish());
  check.stream.end();
}

/** Asks for all files at once; answers how many bytes came. */
async function copyAll(peer: SessionPeer, files: number, onBegin: () => void): Promise<number> {
  const requests: Uint8Array[] = [];
  let [offered, ended, bytes] = [0, 0, 0];
  const takeStat = ({ stat: entry }: Packet) => {
    if (entry === undefined) {
      onBegin();
      copy.say(...requests);
    } else requests.push(encode({ type: request, id: offered++ }));
  };
  const takeData = (length: number) => {
    bytes += length;
    if (length === 0 && ++ended === files) copy.say(encode({ type: finished }));
  };
  const copy = peer.call(
    diffCopyPath,
    (message) => {
      const packet = Packet.decode(message);
      if (packet.type === stat) takeStat(packet);
      else if (packet.type === data) takeData(packet.data.length);
    },
    { "dir-name": "context" },
  );
  expect(await copy.ended).toMatchObject({ code: "0" });
  return bytes;
}

function encode(packet: { type: number | undefined; id?: number }): Uint8Array {
  return Packet.encode(Packet.fromPartial(packet as Packet)).finish();
}
