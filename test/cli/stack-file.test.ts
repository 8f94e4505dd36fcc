import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readStackFile } from "../../src/cli/stack-file.ts";

const signal = new AbortController().signal;

/** @returns `http://127.0.0.1:PORT` */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a path names a file of this disk", async () => {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "functions.yml");
  await writeFile(file, "version: 1.0\n");
  expect(await readStackFile(file, { signal })).toEqual({ file, text: "version: 1.0\n" });
});

test("an address is fetched, also where another server has moved it to", async () => {
  const target = await serve((_, response) => response.end("version: 1.0\n"));
  const address = await serve((_, response) => response.writeHead(302, { location: `${target}/x` }).end());
  expect((await readStackFile(`${address}/stack.yml`, { signal })).text).toBe("version: 1.0\n");
});

test("name and password of an address are sent, and in no error", async () => {
  const address = await serve((request, response) => {
    response.statusCode = request.headers.authorization === "Basic bWU6czNjcmV0" ? 404 : 200;
    response.end();
  });
  const thrown = await readStackFile(address.replace("//", "//me:s3cret@"), { signal }).catch((error) => error);
  expect(thrown).toMatchObject({ code: "usage", message: expect.stringContaining("answers 404") });
  expect(thrown.message).not.toContain("s3cret");
});

test.for([
  ["a file that is not there", "no-such-file.yml", "ENOENT"],
  ["another kind of address", "ftp://127.0.0.1/x", "expected a path, or an http or https address"],
  ["an address that is none", "http://", "Invalid URL"],
] as const)("%s is wrong use", async ([, file, reason]) => {
  await expect(readStackFile(file, { signal })).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining(reason),
  });
});

test("a server that is not there is named with the reason", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  await expect(readStackFile(`http://127.0.0.1:${port}/x`, { signal })).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("ECONNREFUSED"),
  });
});

test("an answer of more than a mebibyte is not read to its end", async () => {
  const address = await serve((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
    };
    response.on("drain", more);
    more();
  });
  await expect(readStackFile(address, { signal })).rejects.toThrow("larger than 1 MiB");
});

test("whoever waits for a server can stop waiting", async () => {
  const abort = new AbortController();
  const reason = new Error("stopped");
  const address = await serve(() => abort.abort(reason));
  await expect(readStackFile(address, { signal: abort.signal })).rejects.toBe(reason);
});
