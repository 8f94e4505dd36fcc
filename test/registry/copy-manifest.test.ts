import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { expect, inject, test } from "vitest";
import { copyManifest, readDigest } from "../../src/registry/manifest.ts";
import { startHttpServer } from "./http-server.ts";

const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2 }));
const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;

function refuse(response: ServerResponse, challenge: string): void {
  response.writeHead(401, { "www-authenticate": challenge }).end();
}

const access = () => ({
  insecure: true,
  credentials: async () => undefined,
  signal: AbortSignal.timeout(10_000),
});

test("an image of a real registry gets a further tag, with the same digest", async () => {
  const image = `${inject("registry")}/library/busybox`;
  const found = await readDigest(image, access());
  expect(await copyManifest(`${image}@${found}`, `${image}:copied`, access())).toBe(true);
  expect(await readDigest(`${image}:copied`, access())).toBe(found);
});

test("an image that a real registry does not have is not copied", async () => {
  const image = `${inject("registry")}/library/busybox`;
  const none = `${image}@sha256:${"0".repeat(64)}`;
  expect(await copyManifest(none, `${image}:never`, access())).toBe(false);
  expect(await readDigest(`${image}:never`, access())).toBeUndefined();
});

test("bytes that are not those of the digest are not copied", async () => {
  const methods: string[] = [];
  await using server = await startHttpServer(({ method = "" }, response) => {
    methods.push(method);
    response.end("something else");
  });
  expect(await copyManifest(`${server.host}/a/b@${digest}`, `${server.host}/a/b:new`, access())).toBe(false);
  expect(methods).toEqual(["GET"]);
});

test("the manifest is put as the kind that it was got as, with a token of its own", async () => {
  const put: (string | undefined)[] = [];
  await using server = await startHttpServer((request, response) => {
    const { method, headers, url = "" } = request;
    if (url.startsWith("/token")) return void response.end(JSON.stringify({ token: new URL(url, "http://r").search }));
    const scope = `repository:a/b:${method === "PUT" ? "pull,push" : "pull"}`;
    const isShown = headers.authorization?.includes(encodeURIComponent(scope)) ?? false;
    if (!isShown) return refuse(response, `Bearer realm="http://${headers.host}/token",scope="${scope}"`);
    if (method === "GET") return void response.setHeader("content-type", "application/x-kind").end(manifest);
    put.push(url, headers["content-type"]);
    void text(request).then((body) => {
      put.push(body);
      response.writeHead(201).end();
    });
  });
  expect(await copyManifest(`${server.host}/a/b@${digest}`, `${server.host}/a/b:new`, access())).toBe(true);
  expect(put).toEqual(["/v2/a/b/manifests/new", "application/x-kind", manifest.toString()]);
});

test("a registry that refuses the new name denies", async () => {
  await using server = await startHttpServer(({ method }, response) => {
    if (method === "GET") response.end(manifest);
    else response.writeHead(403).end();
  });
  const copied = copyManifest(`${server.host}/a/b@${digest}`, `${server.host}/a/b:new`, access());
  await expect(copied).rejects.toMatchObject({ code: "registry_denied" });
});

test("no manifest goes to another repository: its layers are not there", async () => {
  await expect(copyManifest(`r:5000/a/b@${digest}`, "r:5000/a/c:new", access())).rejects.toThrow("one repository");
});

test("W16 where a stranger chose the registry no redirect is followed", async () => {
  let visited = false;
  await using other = await startHttpServer((_, response) => {
    visited = true;
    response.end(manifest);
  });
  await using server = await startHttpServer((_, response) =>
    response.writeHead(307, { location: `http://${other.host}/v2/a/b/manifests/latest` }).end(),
  );
  const asked = readDigest(`${server.host}/a/b`, { ...access(), redirect: "error" });
  await expect(asked).rejects.toMatchObject({ code: "registry_unreachable" });
  expect(visited).toBe(false);
});
