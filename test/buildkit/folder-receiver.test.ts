import { readdir, writeFile } from "node:fs/promises";
import type { OutgoingHttpHeaders } from "node:http2";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FileSendService } from "../../src/buildkit/generated/file-send.ts";
import { Packet } from "../../src/buildkit/generated/fsutil.ts";
import { createReceivers } from "../../src/buildkit/receivers.ts";
import { createScratch } from "./scratch-folder.ts";
import { openSessionPeer } from "./session-peer.ts";

const finished = 3;

/** Sends a folder without anything in it, as a daemon does that says of itself what the headers say. */
async function sendNothing(mode: "copy" | "delete", headers: OutgoingHttpHeaders) {
  const folder = await createScratch();
  await writeFile(join(folder, "old"), "old");
  const peer = await openSessionPeer(new Map([createReceivers([{ type: "local", folder, mode }])]));
  const sent = peer.call(FileSendService.diffCopy.path, () => sent.say(encode({ type: finished })), headers);
  sent.say(encode({ type: 0 }));
  return { end: await sent.ended, left: await readdir(folder), folder };
}

function encode(packet: { type: number }): Uint8Array {
  return Packet.encode(Packet.fromPartial(packet as Packet)).finish();
}

test("a daemon that sends each platform in a transfer of its own deletes nothing", async () => {
  for (const headers of [{}, { "buildkit-exporter-multi-platform": "0" }]) {
    const { end, left, folder } = await sendNothing("delete", headers);
    expect(end).toEqual({ code: "2", message: `output "${folder}": this BuildKit is too old for mode=delete` });
    expect(left).toEqual(["old"]);
  }
});

test("one that sends all in one transfer does, where that is asked for", async () => {
  const whole = { "buildkit-exporter-multi-platform": "1" };
  expect(await sendNothing("delete", whole)).toMatchObject({ end: { code: "0" }, left: [] });
  expect(await sendNothing("copy", {})).toMatchObject({ end: { code: "0" }, left: ["old"] });
});
