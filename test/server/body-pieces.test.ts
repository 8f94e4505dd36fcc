import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { PassThrough, Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { gatherPieces } from "../../src/server/body-pieces.ts";

const megabyte = 1024 * 1024;
const quiet = new AbortController().signal;
const look = () => undefined;

/** A request whose body comes as fast as it is taken, in pieces such as a socket brings. */
function requestOf(bytes: Buffer): IncomingMessage {
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024);
  };
  return Object.assign(Readable.from(pieces()), { complete: true }) as unknown as IncomingMessage;
}

/** A request that has begun and brings no more. */
function openRequest(): IncomingMessage & PassThrough {
  const request = Object.assign(new PassThrough(), { complete: false });
  request.write("x");
  return request as unknown as IncomingMessage & PassThrough;
}

async function untilPaused(request: IncomingMessage): Promise<void> {
  while (!request.isPaused()) await setImmediate();
}

test("a body is held back while much of it waits for the disk, and comes whole and in order", async () => {
  const sent = randomBytes(20 * megabyte);
  const request = requestOf(sent);
  using pieces = gatherPieces(request, { look, signal: quiet });
  await untilPaused(request);
  const first = await pieces.next();
  expect(Buffer.concat(first)).toHaveLength(8 * megabyte);

  const written = [...first];
  for (let piece = await pieces.next(); piece.length > 0; piece = await pieces.next()) written.push(...piece);
  expect(Buffer.concat(written).equals(sent)).toBe(true);
});

test("where many bodies wait, each may have less in memory", async () => {
  const sent = randomBytes(10 * megabyte);
  const sizes: number[] = [];
  await using stack = new AsyncDisposableStack();
  for (let number = 0; number < 10; number += 1) {
    const request = requestOf(sent);
    const pieces = stack.use(gatherPieces(request, { look, signal: quiet }));
    await untilPaused(request);
    sizes.push(Buffer.concat(await pieces.next()).length / megabyte);
  }
  expect(sizes.slice(0, 4)).toEqual([8, 8, 8, 8]);
  expect(Math.max(...sizes.slice(5))).toBeLessThanOrEqual(1.1);
});

test("what is refused, cut off or given up ends the body with that", async () => {
  const tooMuch = new Error("too much");
  using refused = gatherPieces(openRequest(), { look: () => tooMuch, signal: quiet });
  await expect(refused.next()).rejects.toBe(tooMuch);

  const request = openRequest();
  using cut = gatherPieces(request, { look, signal: quiet });
  const rest = cut.next();
  request.destroy();
  await expect(rest).rejects.toMatchObject({ code: "body_invalid" });

  const stop = new AbortController();
  using given = gatherPieces(openRequest(), { look, signal: stop.signal });
  const never = given.next();
  stop.abort(tooMuch);
  await expect(never).rejects.toBe(tooMuch);
});
