import type { ClientRequest, IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { BuilderError, messageOf } from "../errors.ts";
import type { Endpoint } from "./address.ts";

/** A way to a Docker engine's own API. */
export type Engine = Pick<Endpoint, "address"> & Required<Pick<Endpoint, "dialEngine">>;

/** An answer's body, where it is one JSON value. */
const maxAnswerBytes = 4 * 1024 * 1024;

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Asks a Docker engine something.
 * @throws BuilderError `buildkit_unreachable`, or `buildkit_refused` with what the engine says
 */
export async function askEngine(
  engine: Engine,
  call: Call,
  { signal }: { signal: AbortSignal },
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await send(engine, call, signal);
  return asRecord(JSON.parse(await readAll(answer)));
}

/**
 * Asks a Docker engine for something that takes time. Its answer is a stream of JSON values, one a line.
 * @throws BuilderError as `askEngine` does
 */
export async function* followEngine(
  engine: Engine,
  call: Call,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const answer = await send(engine, call, signal);
  try {
    yield* readEngine(engine, answer);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/**
 * Reads an answer that is a stream of JSON values.
 * @throws BuilderError `buildkit_unreachable` where it breaks off
 */
export async function* readEngine(
  engine: Engine,
  answer: IncomingMessage,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  try {
    for await (const line of linesOf(answer)) yield asRecord(JSON.parse(line));
  } catch (error) {
    throw unreachable(engine, error);
  }
}

/**
 * Begins to send a Docker engine something large. The caller writes it to the request and ends or destroys that.
 * @returns the request, and its answer, which fails as `askEngine` does
 */
export async function openUpload(
  engine: Engine,
  call: Call,
  { signal }: { signal: AbortSignal },
): Promise<{ request: ClientRequest; answer: Promise<IncomingMessage> }> {
  try {
    const { request, answered } = await open(engine, call, signal);
    const answer = answered.then(
      (given) => checkAnswer(engine, given),
      (error) => Promise.reject(unreachable(engine, error)),
    );
    // Whoever gives the request up does not ask for its answer.
    answer.catch(() => undefined);
    return { request, answer };
  } catch (error) {
    signal.throwIfAborted();
    throw unreachable(engine, error);
  }
}

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  for await (const text of answer.setEncoding("utf8")) {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > maxAnswerBytes) throw new Error("the answer has a line without an end");
    yield* lines.filter((line) => line.trim() !== "");
  }
  if (rest.trim() !== "") yield rest;
}

async function send(engine: Engine, call: Call, signal: AbortSignal): Promise<IncomingMessage> {
  try {
    const { request, answered } = await open(engine, call, signal);
    request.end();
    return await checkAnswer(engine, await answered);
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof BuilderError ? error : unreachable(engine, error);
  }
}

/** Begins a call on a connection of its own. */
async function open(engine: Engine, { method, path, headers }: Call, signal: AbortSignal) {
  const socket = await engine.dialEngine({ signal });
  const { promise: answered, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { method, path, headers: { host: "docker", ...headers }, signal };
  // An import would also load what node:http offers of fetch and WebSockets, and every build would wait for that.
  const { request: sendRequest } = process.getBuiltinModule("node:http");
  const request = sendRequest({ ...options, createConnection: () => socket }, (answer) => {
    // Whoever reads hears of an error by that; one who has left does not want to.
    answer.on("error", () => undefined).once("close", () => socket.destroy());
    resolve(answer);
  });
  request.on("error", reject);
  socket.once("close", () => reject(new Error("the connection was closed")));
  return { request, answered };
}

async function checkAnswer({ address }: Engine, answer: IncomingMessage): Promise<IncomingMessage> {
  if ((answer.statusCode ?? 0) < 300) return answer;
  throw new BuilderError(
    "buildkit_refused",
    `the Docker engine at "${address}" answered ${answer.statusCode}: ${reasonIn(await readAll(answer))}`,
  );
}

async function readAll(answer: IncomingMessage): Promise<string> {
  let bytes = 0;
  answer.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) answer.destroy(new Error("the answer is too long"));
  });
  return text(answer);
}

function reasonIn(body: string): string {
  try {
    const { message } = asRecord(JSON.parse(body));
    return typeof message === "string" ? message.slice(0, 300) : "";
  } catch {
    return body.slice(0, 300);
  }
}

function unreachable({ address }: Engine, cause: unknown): BuilderError {
  const message = `the Docker engine at "${address}" does not answer: ${messageOf(cause)}`;
  return new BuilderError("buildkit_unreachable", message, { cause });
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
