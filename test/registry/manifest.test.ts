import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { expect, inject, test } from "vitest";
import type { Credentials } from "../../src/registry/credentials.ts";
import { readDigest, readSize } from "../../src/registry/manifest.ts";
import { startHttpServer } from "./http-server.ts";

const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2 }));
const digest = `sha256:${createHash("sha256").update(manifest).digest("hex")}`;
const alice = { username: "alice", password: "s3cret" };
const basic = `Basic ${Buffer.from("alice:s3cret").toString("base64")}`;

interface Asking {
  stored?: Credentials;
  signal?: AbortSignal;
}

function ask(image: string, { stored, signal = AbortSignal.timeout(10_000) }: Asking = {}) {
  return readDigest(image, { insecure: true, credentials: async () => stored, signal });
}

function sendManifest(response: ServerResponse): void {
  response.setHeader("docker-content-digest", digest).end(manifest);
}

function refuse(response: ServerResponse, challenge: string): void {
  response.writeHead(401, { "www-authenticate": challenge }).end();
}

test("a real registry tells the digest of an image, by tag and by digest", async () => {
  const image = `${inject("registry")}/library/busybox`;
  const found = await ask(image);
  expect(found).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await ask(`${image}@${found}`)).toBe(found);
});

test("a real registry tells the size of an image: that of its layers and its configuration", async () => {
  const image = `${inject("registry")}/library/busybox:latest`;
  const access = { insecure: true, credentials: async () => undefined, signal: AbortSignal.timeout(60_000) };
  const bytes = await readSize(image, access);
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(20_000_000);
  expect(await readSize(`${inject("registry")}/library/busybox:none`, access)).toBeUndefined();
});

test.for(["library/busybox:none", "nobody/nothing", `library/busybox@sha256:${"0".repeat(64)}`])(
  "a real registry has no %s",
  async (name) => {
    expect(await ask(`${inject("registry")}/${name}`)).toBeUndefined();
  },
);

test("all kinds of manifests are asked for", async () => {
  let accept = "";
  await using server = await startHttpServer((request, response) => {
    accept = request.headers.accept ?? "";
    sendManifest(response);
  });
  await ask(`${server.host}/a/b`);
  expect(accept.split(", ")).toHaveLength(4);
  expect(accept).toContain("application/vnd.oci.image.index.v1+json");
});

test.for([
  ["knows no HEAD", 405],
  ["leaves the digest out", 200],
] as const)("a registry that %s is asked for the manifest itself", async ([, status]) => {
  await using server = await startHttpServer((request, response) => {
    if (request.method === "HEAD") response.writeHead(status).end();
    else response.end(manifest);
  });
  expect(await ask(`${server.host}/a/b`)).toBe(digest);
});

test("a registry that wants Basic gets the stored credentials, after it has asked", async () => {
  const shown: (string | undefined)[] = [];
  await using server = await startHttpServer(({ headers }, response) => {
    shown.push(headers.authorization);
    if (headers.authorization === basic) sendManifest(response);
    else refuse(response, 'Basic realm="x"');
  });
  expect(await ask(`${server.host}/a/b`, { stored: alice })).toBe(digest);
  expect(shown).toEqual([undefined, basic]);
});

/** A registry with its token service on the same host. `token` answers what the service says. */
function tokenRegistry(realm: string, token: (request: IncomingMessage, response: ServerResponse) => void) {
  return startHttpServer((request, response) => {
    const url = new URL(request.url ?? "", "http://registry");
    if (url.pathname === "/token") return token(request, response);
    if (request.headers.authorization === "Bearer t0ken") return sendManifest(response);
    const where = realm.replace("HOST", request.headers.host ?? "");
    refuse(response, `Bearer realm="${where}",service="reg",scope="repository:a/b:pull"`);
  });
}

test("a token is fetched for the scope that the registry names, with the stored credentials", async () => {
  let asked = "";
  await using server = await tokenRegistry("http://HOST/token", ({ url, headers }, response) => {
    asked = `${url} ${headers.authorization}`;
    response.end('{"token": "t0ken"}');
  });
  expect(await ask(`${server.host}/a/b`, { stored: alice })).toBe(digest);
  expect(asked).toBe(`/token?service=reg&scope=repository%3Aa%2Fb%3Apull ${basic}`);
});

test("a token is fetched without credentials where none are stored", async () => {
  await using server = await tokenRegistry("http://HOST/token", ({ headers }, response) => {
    response.end(JSON.stringify({ access_token: headers.authorization === undefined ? "t0ken" : "" }));
  });
  expect(await ask(`${server.host}/a/b`)).toBe(digest);
});

test("an identity token is exchanged by POST", async () => {
  let form = "";
  await using server = await tokenRegistry("http://HOST/token", (request, response) => {
    void text(request).then((body) => {
      form = `${request.method} ${body}`;
      response.end('{"access_token": "t0ken"}');
    });
  });
  expect(await ask(`${server.host}/a/b`, { stored: { username: "", password: "refresh" } })).toBe(digest);
  expect(form).toContain("POST ");
  expect(form).toContain("grant_type=refresh_token");
  expect(form).toContain("refresh_token=refresh");
});

test.for(["http://HOST.example.com/token", "http://127.0.0.1:1/token", "ftp://HOST/token", "/token", "javascript:1"])(
  "W16 credentials go to no token service at %s",
  async (realm) => {
    await using server = await tokenRegistry(realm, (_, response) => response.end('{"token": "t0ken"}'));
    const error = { code: "registry_denied", message: expect.stringContaining("expected an https address") };
    await expect(ask(`${server.host}/a/b`, { stored: alice })).rejects.toMatchObject(error);
  },
);

test("W16 a token service that redirects is not followed with credentials", async () => {
  let visited = false;
  await using other = await startHttpServer((_, response) => {
    visited = true;
    response.end('{"token": "t0ken"}');
  });
  await using server = await tokenRegistry("http://HOST/token", (_, response) =>
    response.writeHead(302, { location: `http://${other.host}/token` }).end(),
  );
  await expect(ask(`${server.host}/a/b`, { stored: alice })).rejects.toMatchObject({ code: "registry_unreachable" });
  expect(visited).toBe(false);
});

test("W16 a registry that redirects elsewhere does not take the credentials along", async () => {
  const shown: (string | undefined)[] = [];
  await using other = await startHttpServer(({ headers }, response) => {
    shown.push(headers.authorization);
    sendManifest(response);
  });
  await using server = await startHttpServer(({ headers }, response) => {
    if (headers.authorization === undefined) refuse(response, "Basic");
    else response.writeHead(307, { location: `http://${other.host}/v2/a/b/manifests/latest` }).end();
  });
  expect(await ask(`${server.host}/a/b`, { stored: alice })).toBe(digest);
  expect(shown).toEqual([undefined]);
});

test.for([
  [401, "registry_denied"],
  [403, "registry_denied"],
  [429, "registry_unreachable"],
  [500, "registry_unreachable"],
  [503, "registry_unreachable"],
] as const)("a token service that answers %i means %s", async ([status, code]) => {
  await using server = await tokenRegistry("http://HOST/token", (_, response) => response.writeHead(status).end());
  await expect(ask(`${server.host}/a/b`)).rejects.toMatchObject({ code });
});

test.for([
  ["no token", "{}", "registry_denied"],
  ["null", "null", "registry_denied"],
  ["a page", "<html>", "registry_unreachable"],
  ["two megabytes", " ".repeat(2 * 1024 * 1024), "registry_unreachable"],
] as const)("a token service that answers %s is told of", async ([, body, code]) => {
  await using server = await tokenRegistry("http://HOST/token", (_, response) => response.end(body));
  await expect(ask(`${server.host}/a/b`)).rejects.toMatchObject({ code });
});

test.for([
  [401, "registry_denied"],
  [403, "registry_denied"],
  [429, "registry_unreachable"],
  [500, "registry_unreachable"],
  [502, "registry_unreachable"],
] as const)("a registry that answers %i means %s", async ([status, code]) => {
  await using server = await startHttpServer((_, response) =>
    response.writeHead(status, { "www-authenticate": "Basic" }).end(),
  );
  const message = expect.stringContaining(server.host);
  await expect(ask(`${server.host}/a/b`, { stored: alice })).rejects.toMatchObject({ code, message });
});

test.for(["Basic", "Negotiate", ""])("without credentials a registry that wants %j denies", async (challenge) => {
  await using server = await startHttpServer((_, response) => refuse(response, challenge));
  await expect(ask(`${server.host}/a/b`)).rejects.toMatchObject({ code: "registry_denied" });
});

test("a registry that is not there is unreachable, and may be tried again", async () => {
  const server = await startHttpServer(() => {});
  await server[Symbol.asyncDispose]();
  const error = await ask(`${server.host}/a/b`).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "registry_unreachable", transient: true });
  expect(String(error)).toContain("ECONNREFUSED");
});

test("a registry that cuts the connection is unreachable", async () => {
  await using server = await startHttpServer((request) => request.socket.destroy());
  await expect(ask(`${server.host}/a/b`)).rejects.toMatchObject({ code: "registry_unreachable" });
});

test("a manifest without end is not read to its end", async () => {
  await using server = await startHttpServer((request, response) => {
    if (request.method === "HEAD") return void response.end();
    const chunk = Buffer.alloc(1024 * 1024);
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", more).on("error", () => {});
    more();
  });
  await expect(ask(`${server.host}/a/b`)).rejects.toMatchObject({ code: "registry_unreachable" });
});

test("an abort ends it with the caller's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  await using server = await startHttpServer(() => controller.abort(reason));
  await expect(ask(`${server.host}/a/b`, { signal: controller.signal })).rejects.toBe(reason);
});
