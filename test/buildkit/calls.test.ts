import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import type { CallOptions } from "../../src/buildkit/calls.ts";
import { BytesMessage } from "../../src/buildkit/generated/file-send.ts";
import { frameMessage } from "../../src/buildkit/grpc-frames.ts";
import { createHealth } from "../../src/buildkit/health.ts";
import { openSession } from "../../src/buildkit/session.ts";

const running = { ":status": 200, "content-type": "application/grpc" };
const sessionPath = "/moby.buildkit.v1.Control/Session";
const method: CallOptions<BytesMessage, BytesMessage>["method"] = {
  path: "/moby.buildkit.v1.Control/Ask",
  requestStream: false,
  responseStream: true,
  requestSerialize: (message) => Buffer.from(BytesMessage.encode(message).finish()),
  requestDeserialize: BytesMessage.decode,
  responseSerialize: (message) => Buffer.from(BytesMessage.encode(message).finish()),
  responseDeserialize: BytesMessage.decode,
};

/** A session with a daemon that answers calls as a test says. */
async function openOn(answer: (stream: ServerHttp2Stream) => unknown) {
  const server = http2.createServer();
  server.on("session", (session) => onTestFinished(() => void session.destroy()));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    if (headers[":path"] === sessionPath) stream.resume().respond(running);
    else answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return openAt(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

function openAt(address: string) {
  const session = openSession(parseAddress(address), new Map([createHealth()]), { sharedKey: "" });
  onTestFinished(() => session.close());
  const heard: string[] = [];
  const onMessage = ({ data }: BytesMessage) => void heard.push(data.toString());
  const ask = (data: Buffer = Buffer.from("a question")) => session.call({ method, request: { data }, onMessage });
  return { session, heard, ask };
}

function end(stream: ServerHttp2Stream, trailers: Record<string, string>, ...messages: readonly Buffer[]): void {
  stream.respond(running, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const data of messages) stream.write(frameMessage(BytesMessage.encode({ data }).finish()));
  stream.end();
}

test("calls ask beside the session, one after the other and at once, and hear every message", async () => {
  const { heard, ask } = await openOn(async (stream) => {
    const asked = await buffer(stream);
    end(stream, { "grpc-status": "0" }, Buffer.from(`${asked.length} bytes`), Buffer.from("done"));
  });
  const good = { code: status.OK, message: "", details: undefined };
  // More than a window, which the daemon widens as it reads.
  expect(await ask(Buffer.alloc(1_000_000)).ended).toEqual(good);
  expect(await Promise.all([ask().ended, ask().ended])).toEqual([good, good]);
  expect(heard.toSorted()).toEqual(["1000009 bytes", "17 bytes", "17 bytes", "done", "done", "done"]);
});

test("a failure comes with its details, and with words that cannot be decoded as they are", async () => {
  const details = Buffer.alloc(20_000, "x");
  const { ask } = await openOn((stream) =>
    end(stream.resume(), {
      "grpc-status": "2",
      "grpc-message": "100%",
      "grpc-status-details-bin": details.toString("base64").replace(/=*$/, ""),
    }),
  );
  expect(await ask().ended).toEqual({ code: status.UNKNOWN, message: "100%", details });
});

test.for<readonly [what: string, answer: (stream: ServerHttp2Stream) => void, message: RegExp]>([
  ["a web page", (stream) => stream.respond({ ":status": 404 }, { endStream: true }), /HTTP status code 404$/],
  ["no status", (stream) => stream.respond(running, { endStream: true }), /ended without a status$/],
  ["a reset", (stream) => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR), /given the call up \(2\)$/],
  ["a cut", (stream) => stream.session?.destroy(), /has ended$/],
])("%s for an answer counts as a broken connection", async ([, answer, message]) => {
  const { ask } = await openOn((stream) => answer(stream.resume()));
  expect(await ask().ended).toMatchObject({
    code: status.UNAVAILABLE,
    message: expect.stringMatching(message),
    details: undefined,
  });
});

test("where no connection comes about, or the session is closed, a call ends as broken off", async () => {
  const nowhere = openAt("unix:///nowhere/buildkitd.sock");
  expect(await nowhere.ask().ended).toMatchObject({
    code: status.UNAVAILABLE,
    message: expect.stringContaining("ENOENT"),
  });
  const { session, ask } = await openOn(() => undefined);
  await session.close();
  expect(await ask().ended).toMatchObject({ code: status.UNAVAILABLE });
});

test("a call that is cancelled has ended at once, and the daemon is told; one without a connection is never made", async () => {
  const asked = Promise.withResolvers<ServerHttp2Stream>();
  let calls = 0;
  const { ask } = await openOn((stream) => {
    calls++;
    asked.resolve(stream.resume());
  });
  const early = ask();
  early.cancel();
  const call = ask();
  const stream = await asked.promise;
  const closed = once(stream, "close");
  call.cancel();
  expect(await call.ended).toMatchObject({ code: status.CANCELLED });
  expect(await early.ended).toMatchObject({ code: status.CANCELLED });
  await closed;
  expect(stream.rstCode).toBe(http2.constants.NGHTTP2_CANCEL);
  expect(calls).toBe(1);
});
