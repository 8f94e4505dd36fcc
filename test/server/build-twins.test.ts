import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createPrintTaker, createTwins } from "../../src/server/build-twins.ts";
import { archive } from "../contexts/archives.ts";
import { createScratch } from "../database/scratch.ts";
import { begin, serveBuilds } from "./build-requests.ts";

const options = { signal: new AbortController().signal };

function printOf(bytes: Buffer, pieceBytes = 65_536) {
  const taker = createPrintTaker();
  for (let at = 0; at < bytes.length; at += pieceBytes) taker.update(bytes.subarray(at, at + pieceBytes));
  return taker.take();
}

/** Two megabytes that differ at one place only. */
function largeBytes(at: number): Buffer {
  const bytes = Buffer.alloc(2 * 1024 * 1024);
  bytes[at] = 1;
  return bytes;
}

test("small bodies are known by their print alone, however they arrive", () => {
  const bytes = Buffer.from("x".repeat(100_000));
  expect(printOf(bytes, 7)).toEqual(printOf(bytes));
  expect(printOf(bytes).isWhole).toBe(true);
  expect(printOf(Buffer.from(`${bytes}`.replace(/x$/, "y"))).text).not.toBe(printOf(bytes).text);
  expect(printOf(Buffer.alloc(1024 * 1024)).isWhole).toBe(true);
  expect(printOf(Buffer.alloc(1024 * 1024 + 1)).isWhole).toBe(false);
});

test("large bodies that begin alike have one name only where all bytes are the same", async () => {
  await using scratch = await createScratch();
  const twins = createTwins();
  const nameOf = async (name: string, bytes: Buffer) => {
    const file = join(scratch.path, name);
    await writeFile(file, bytes);
    return twins.nameOf({ print: printOf(bytes), file }, options);
  };
  const first = await nameOf("first", largeBytes(2_000_000));
  expect(await nameOf("other", largeBytes(2_000_001))).not.toBe(first);
  expect(await nameOf("same", largeBytes(2_000_000))).toBe(first);
  await rm(join(scratch.path, "first"));
  expect(await nameOf("later", largeBytes(2_000_000))).not.toBe(first);
});

test("a name is not given again when its build has ended", async () => {
  await using scratch = await createScratch();
  const twins = createTwins();
  const file = join(scratch.path, "body");
  await writeFile(file, largeBytes(0));
  const print = printOf(largeBytes(0));
  const first = await twins.nameOf({ print, file }, options);
  twins.forget(first);
  expect(await twins.nameOf({ print, file }, options)).not.toBe(first);
});

test("requests of the same large bytes share one build, and others that begin alike do not", async () => {
  const bodyOf = (at: number) =>
    archive(
      { name: "com.openfaas.docker.config", body: '{"image":"r/x"}' },
      { name: "context/Dockerfile", body: "FROM busybox" },
      { name: "context/data", body: largeBytes(at) },
    );
  const open = new AbortController();
  await using server = await serveBuilds({
    async build() {
      if (!open.signal.aborted) await once(open.signal, "abort");
      return "sha256:digest";
    },
  });
  const requests = [2_000_000, 2_000_001, 2_000_000].map((at) => {
    const { request, response } = begin(server, { accept: "application/x-ndjson" });
    request.end(bodyOf(at));
    return response;
  });
  // A streamed answer begins when its build is under way.
  const answers = await Promise.all(requests);
  expect(server.orders).toHaveLength(2);
  await expect.poll(() => server.leftovers()).toHaveLength(2);
  open.abort();
  for (const answer of answers) {
    const text = (await answer.setEncoding("utf8").toArray()).join("");
    expect(text).toContain('"digest":"sha256:digest"');
  }
  expect(server.orders).toHaveLength(2);
  expect(await server.leftovers()).toEqual([]);
});
