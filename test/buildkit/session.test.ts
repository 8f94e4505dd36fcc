import { once } from "node:events";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import { BytesMessage } from "../../src/buildkit/generated/file-send.ts";
import { frameMessage } from "../../src/buildkit/grpc-frames.ts";
import { createHealth } from "../../src/buildkit/health.ts";
import { openSession } from "../../src/buildkit/session.ts";
import { frame } from "./http2-wire.ts";

const running = { ":status": 200, "content-type": "application/grpc" };
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Opens a session with a daemon that answers it as a test says; answers why it was lost. */
async function openAndLose(answer: (stream: ServerHttp2Stream) => void): Promise<Error> {
  const server = http2.createServer();
  server.on("session", (session) => onTestFinished(() => void session.destroy()));
  server.on("stream", (stream) => {
    stream.on("error", () => undefined).resume();
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const endpoint = parseAddress(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const session = openSession(endpoint, new Map([createHealth()]), { sharedKey: "" });
  if (!session.lost.aborted) await once(session.lost, "abort");
  await session.close();
  return session.lost.reason as Error;
}

function inside(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts.map((data) => frameMessage(BytesMessage.encode({ data }).finish())));
}

test.for<readonly [does: string, answer: (stream: ServerHttp2Stream) => void, why: RegExp]>([
  [
    "refuses the session at once",
    (stream) =>
      stream.respond({ ...running, "grpc-status": "5", "grpc-message": "no%20such thing" }, { endStream: true }),
    /^BuildKit has ended the session with gRPC status 5: no such thing$/,
  ],
  [
    "refuses it in words that cannot be read",
    (stream) => stream.respond({ ...running, "grpc-status": "13", "grpc-message": "100%" }, { endStream: true }),
    /^BuildKit has ended the session with gRPC status 13: 100%$/,
  ],
  [
    "answers as a web server does",
    (stream) => stream.respond({ ":status": 404 }),
    /the answer has HTTP status code 404$/,
  ],
  [
    "ends the session later on",
    (stream) => {
      stream.respond(running, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "14", "grpc-message": "shutting down" }));
      stream.end();
    },
    /gRPC status 14: shutting down$/,
  ],
  [
    "gives the session up",
    (stream) => {
      stream.respond(running);
      stream.destroy(new Error("given up"));
    },
    /given the call up \(2\)$/,
  ],
  [
    "speaks no HTTP/2 inside of it",
    (stream) => {
      stream.respond(running);
      stream.write(inside(Buffer.from("GET / HTTP/1.1\r\n\r\n")));
    },
    /does not begin as HTTP\/2 does \(PROTOCOL_ERROR\)$/,
  ],
  [
    "sends messages that are none",
    (stream) => {
      stream.respond(running);
      stream.write(Buffer.from("0000000003120161", "hex"));
    },
    /not one of bytes$/,
  ],
  [
    "floods it with PINGs",
    (stream) => {
      stream.respond(running);
      const pings = Buffer.concat(Array<Buffer>(10_100).fill(frame(6, { payload: "12345678" })));
      stream.write(inside(preface, frame(4), pings));
    },
    /a flood of frames that carry nothing \(ENHANCE_YOUR_CALM\)$/,
  ],
])("a daemon that %s loses it, and the reason says so", async ([, answer, why]) => {
  expect((await openAndLose(answer)).message).toMatch(why);
});
