import { createServer } from "node:net";
import { expect, inject, test } from "vitest";
import { speaksPlainHttp } from "../../src/registry/plain-http.ts";
import { startHttpServer } from "./http-server.ts";

const signal = AbortSignal.timeout(60_000);

test("a registry that answers nothing but plain HTTP is found out", async () => {
  const decide = (hasCredentials: boolean) =>
    speaksPlainHttp(inject("registry"), { setting: undefined, hasCredentials, signal });
  expect(await decide(false)).toBe(true);
  expect(await decide(true), "on this machine nobody is on the way").toBe(true);
});

test("a registry elsewhere that has credentials is never asked in the clear", async () => {
  const host = "registry.invalid:5000";
  expect(await speaksPlainHttp(host, { setting: undefined, hasCredentials: true, signal })).toBe(false);
});

test.for([true, false])("the setting %s decides without asking", async (setting) => {
  let asked = false;
  await using server = await startHttpServer((_, response) => {
    asked = true;
    response.end();
  });
  expect(await speaksPlainHttp(server.host, { setting, hasCredentials: false, signal })).toBe(setting);
  expect(asked).toBe(false);
});

test("a server on this machine that speaks TLS is not plain: it answers 400 to whoever does not", async () => {
  await using server = await startHttpServer((_, response) => response.writeHead(400).end());
  expect(await speaksPlainHttp(server.host, { setting: undefined, hasCredentials: false, signal })).toBe(false);
});

test("where nobody answers it is not plain", async () => {
  const server = await startHttpServer(() => {});
  await server[Symbol.asyncDispose]();
  expect(await speaksPlainHttp(server.host, { setting: undefined, hasCredentials: false, signal })).toBe(false);
});

test("who speaks neither is not plain", async () => {
  await using server = createServer((socket) => socket.end("220 mail\r\n", () => socket.destroy())).listen(
    0,
    "127.0.0.1",
  );
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const host = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  expect(await speaksPlainHttp(host, { setting: undefined, hasCredentials: false, signal })).toBe(false);
});
