import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { parseAddress } from "../../src/buildkit/address.ts";
import {
  ControlService,
  SolveRequest,
  type SolveResponse,
  type StatusRequest,
  type StatusResponse,
} from "../../src/buildkit/generated/control.ts";
import { createHealth } from "../../src/buildkit/health.ts";
import { createProgress } from "../../src/buildkit/progress.ts";
import { openSession } from "../../src/buildkit/session.ts";
import { runSolve } from "../../src/buildkit/solve.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

test("a message of progress of more than 4 MiB is read: each of its warnings brings the whole Dockerfile along", async () => {
  const stages = Array.from({ length: 10 }, (_, at) => `FROM scratch as stage-${at}`);
  const filler = Array.from({ length: 15_000 }, (_, at) => `# ${at} ${"filler ".repeat(6)}`);
  const Dockerfile = [...filler, ...stages, `LABEL mark=${randomUUID()}`, ""].join("\n");
  expect(Dockerfile.length * stages.length).toBeGreaterThan(4 * 1024 * 1024);
  const { error, events } = await buildOnce({ context: createMemoryContext({ Dockerfile }) });
  expect(error).toBeUndefined();
  expect(events.filter(({ kind }) => kind === "warning")).toHaveLength(stages.length);
});

const bytes = (value: Buffer) => value;
const service = {
  ...ControlService,
  session: {
    path: "/moby.buildkit.v1.Control/Session",
    requestStream: true,
    responseStream: true,
    ...{ requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes },
  },
} as const;

type StatusCall = ServerWritableStream<StatusRequest, StatusResponse>;

/** Runs a build on a daemon that answers it at once, and reports on it as a test says. */
async function solveOn(report: (call: StatusCall) => void) {
  const server = new Server();
  const { promise: asked, resolve: noteAsked } = Promise.withResolvers<void>();
  server.addService(service, {
    // It takes nothing from the session.
    session: (call: ServerDuplexStream<Buffer, Buffer>) => void call.on("error", () => undefined).resume(),
    async solve(_: unknown, answer: sendUnaryData<SolveResponse>) {
      await asked;
      answer(null, { exporterResponse: { "containerimage.digest": "sha256:1" } });
    },
    status(call: StatusCall) {
      call.on("error", () => undefined);
      report(call);
      noteAsked();
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  onTestFinished(() => server.forceShutdown());
  const events: BuildEvent[] = [];
  const session = openSession(parseAddress(`tcp://127.0.0.1:${port}`), new Map([createHealth()]), { sharedKey: "" });
  onTestFinished(() => session.close());
  const end = await runSolve(session, SolveRequest.fromPartial({ ref: "a" }), {
    progress: createProgress((event) => events.push(event)),
    signal: new AbortController().signal,
  });
  return { end, told: events.map((event) => (event.kind === "log" ? event.text : event.kind)) };
}

function line(text: string): StatusResponse {
  const log = { vertex: "a", stream: 1n, msg: Buffer.from(`${text}\n`), timestamp: undefined };
  return { vertexes: [], statuses: [], logs: [log], warnings: [] };
}

const good = { ok: true, response: { "containerimage.digest": "sha256:1" } };

test.for<{ what: string; lines: readonly string[] }>([
  { what: "has told something", lines: ["one"] },
  { what: "has told nothing", lines: [] },
])("a progress that never ends after its build, and $what, is given up", async ({ lines }) => {
  const { end, told } = await solveOn((call) => {
    for (const text of lines) call.write(line(text));
  });
  expect(end).toEqual(good);
  expect(told).toEqual(lines.map((text) => `${text}\n`));
});

test("what is told after the build's own answer is heard to its end, while something comes", async () => {
  const late = Array.from({ length: 6 }, (_, at) => `late ${at}`);
  const { end, told } = await solveOn((call) => {
    call.write(line("early"));
    void (async () => {
      for (const text of late) {
        await sleep(1000);
        call.write(line(text));
      }
      call.end();
    })();
  });
  expect(end).toEqual(good);
  expect(told).toEqual(["early", ...late].map((text) => `${text}\n`));
});
