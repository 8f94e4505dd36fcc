import { execFile } from "node:child_process";
import { createHmac, createSign } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test, vi } from "vitest";
import { type GithubServer, startGithubServer } from "./server.ts";

const run = promisify(execFile);
vi.setConfig({ testTimeout: 120_000 });

async function started(): Promise<GithubServer> {
  const github = await startGithubServer();
  onTestFinished(() => github.close().catch(() => {}));
  return github;
}

/** A JWT as an App signs it, made without the library that the code under test uses. */
function jwt(github: GithubServer, { iss = github.appId, exp = Date.now() / 1000 + 300 } = {}): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const claims = { iss, iat: Math.floor(Date.now() / 1000) - 30, exp: Math.floor(exp) };
  const text = `${encode({ alg: "RS256", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${createSign("sha256").update(text).sign(github.privateKeyPem, "base64url")}`;
}

async function call(github: GithubServer, path: string, { token = "", body }: { token?: string; body?: unknown } = {}) {
  const response = await fetch(`${github.apiUrl}${path}`, {
    headers: {
      ...(token !== "" && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

async function tokenFor(github: GithubServer, scope: object, id = github.installationId): Promise<string> {
  const path = `/app/installations/${id}/access_tokens`;
  return String((await call(github, path, { token: jwt(github), body: scope })).body.token);
}

test("an App gets a token with its JWT and posts a status with it", async () => {
  const github = await started();
  const { id, sha } = await github.createRepository("octocat", "fns");
  const token = await tokenFor(github, { repository_ids: [Number(id)], permissions: { statuses: "write" } });
  const posted = await call(github, `/repos/octocat/fns/statuses/${sha}`, {
    token,
    body: { state: "success", context: "hello", description: "well" },
  });
  expect(posted).toMatchObject({ status: 201, body: { state: "success", context: "hello" } });
  expect(github.statuses.latest(sha).get("hello")).toMatchObject({ state: "success", description: "well" });
  const listed = await call(github, `/repos/octocat/fns/commits/${sha}/statuses`);
  expect(listed).toMatchObject({ status: 200, body: [{ context: "hello" }] });
  await github.close();
});

test.for([
  ["nobody", () => ""],
  ["another App", (github: GithubServer) => jwt(github, { iss: "99" })],
  ["an old JWT", (github: GithubServer) => jwt(github, { exp: Date.now() / 1000 - 1 })],
  ["a JWT that lives too long", (github: GithubServer) => jwt(github, { exp: Date.now() / 1000 + 3600 })],
  ["a JWT with a foreign signature", (github: GithubServer) => `${jwt(github).slice(0, -8)}AAAAAAAA`],
] as const)("%s gets no token", async ([, sign]) => {
  const github = await started();
  const path = `/app/installations/${github.installationId}/access_tokens`;
  expect((await call(github, path, { token: sign(github), body: {} })).status).toBe(401);
});

test("a token reaches only its repository and its permission", async () => {
  const github = await started();
  const [one, two] = [await github.createRepository("o", "one"), await github.createRepository("o", "two")];
  const token = await tokenFor(github, { repository_ids: [Number(one.id)], permissions: { contents: "read" } });
  const wide = await tokenFor(github, { repository_ids: [Number(two.id)], permissions: { statuses: "write" } });
  const body = { state: "pending" };
  expect((await call(github, `/repos/o/one/statuses/${one.sha}`, { token, body })).status).toBe(403);
  expect((await call(github, `/repos/o/one/statuses/${one.sha}`, { token: wide, body })).status).toBe(403);
  expect((await call(github, `/repos/o/two/statuses/${two.sha}`, { token: wide, body })).status).toBe(201);
  github.revokeTokens();
  expect((await call(github, `/repos/o/two/statuses/${two.sha}`, { token: wide, body })).status).toBe(401);
  github.limitTokens(-1);
  const ended = await tokenFor(github, { repository_ids: [Number(two.id)], permissions: { statuses: "write" } });
  expect((await call(github, `/repos/o/two/statuses/${two.sha}`, { token: ended, body })).status).toBe(401);
});

test("a token of one installation reaches nothing of another, and each has limits of its own", async () => {
  const github = await started();
  const other = github.install("Bob");
  const [one, two] = [await github.createRepository("alice", "r"), await github.createRepository("bob", "r")];
  const foreign = { token: jwt(github), body: { repository_ids: [Number(one.id)] } };
  expect((await call(github, `/app/installations/${other}/access_tokens`, foreign)).status).toBe(422);
  const [alices, bobs] = [
    await tokenFor(github, { permissions: { statuses: "write" } }),
    await tokenFor(github, { permissions: { statuses: "write" } }, other),
  ];
  github.limit({ quota: { max: 1, hourMs: 3600_000 } });
  const post = (place: string, token: string) => call(github, place, { token, body: { state: "pending" } });
  expect((await post(`/repos/alice/r/statuses/${one.sha}`, bobs)).status).toBe(403);
  expect((await post(`/repos/alice/r/statuses/${one.sha}`, alices)).status).toBe(201);
  expect((await post(`/repos/bob/r/statuses/${two.sha}`, bobs)).body.message).toContain(`installation ID ${other}`);
  github.limit({});
  expect((await post(`/repos/bob/r/statuses/${two.sha}`, bobs)).status).toBe(201);
  github.suspend(true, other);
  const path = (id: string) => `/app/installations/${id}/access_tokens`;
  expect((await call(github, path(other), { token: jwt(github), body: {} })).status).toBe(403);
  expect((await call(github, path(github.installationId), { token: jwt(github), body: {} })).status).toBe(201);
  expect((await call(github, "/repos/bob/r/installation", { token: jwt(github) })).body.id).toBe(Number(other));
});

test("a private repository hides from who has no token, a public one shows itself", async () => {
  const github = await started();
  const secret = await github.createRepository("o", "secret", { private: true });
  await github.createRepository("o", "open");
  expect((await call(github, "/repos/o/secret")).status).toBe(404);
  expect(await call(github, "/repos/o/open")).toMatchObject({ status: 200, body: { full_name: "o/open" } });
  const token = await tokenFor(github, { repository_ids: [Number(secret.id)], permissions: { metadata: "read" } });
  expect(await call(github, "/repos/o/secret", { token })).toMatchObject({ status: 200, body: { private: true } });
});

test("a request that GitHub's description does not allow is refused and makes close() fail", async () => {
  const github = await started();
  const { id, sha } = await github.createRepository("o", "r");
  const token = await tokenFor(github, { repository_ids: [Number(id)], permissions: { statuses: "write" } });
  expect((await call(github, `/repos/o/r/statuses/${sha}`, { token, body: { state: "great" } })).status).toBe(422);
  await expect(github.close()).rejects.toThrow(/request: POST .*statuses.*must be equal to one of/);
});

test.for([
  ["a parameter that is none of its operation's", "/repos/o/r?colour=red", {}, /has no parameter "colour"/],
  ["a parameter out of its range", `/repos/o/r/commits/${"1".repeat(40)}/check-runs?filter=x`, {}, /query filter/],
  ["an operation that is none", "/repos/o/r/colours", {}, /GET \/repos\/o\/r\/colours is nothing that is served/],
  ["a type that GitHub does not speak", "/repos/o/r", { accept: "text/html" }, /accepts text\/html/],
  ["a body that is no JSON by its type", "/app-manifests/x/conversions", { "content-type": "text/plain" }, /a body of/],
] as const)("%s makes close() fail", async ([, path, headers, fault]) => {
  const github = await started();
  await github.createRepository("o", "r");
  const isPost = path.startsWith("/app-manifests");
  await fetch(`${github.apiUrl}${path}`, { headers, ...(isPost && { method: "POST", body: "{}" }) });
  await expect(github.close()).rejects.toThrow(fault);
});

test("a call under an old name is sent on in the form that GitHub describes, and one by an ETag ends with 304", async () => {
  const github = await started();
  const { id, sha } = await github.createRepository("o", "old", { branch: "main" });
  github.rename("o", "old", "new");
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${github.apiUrl}${path}`, { redirect: "manual", ...init });
  const moved = await ask("/repos/o/old/branches/main");
  expect([moved.status, await moved.json()]).toMatchObject([301, { message: "Moved Permanently" }]);
  expect((await ask(`/repos/o/old/statuses/${sha}`, { method: "POST" })).status).toBe(307);
  const location = String(moved.headers.get("location"));
  expect(location).toBe(`${github.apiUrl}/repositories/${id}/branches/main`);
  const etag = String((await fetch(location)).headers.get("etag"));
  expect((await fetch(location, { headers: { "if-none-match": etag } })).status).toBe(304);
  await github.close();
});

test("an answer that GitHub's description does not allow makes close() fail", async () => {
  const github = await started();
  github.failNext({ fault: { kind: "status", status: 418, message: 1 as unknown as string } });
  await call(github, "/repos/o/r");
  await expect(github.close()).rejects.toThrow(/answer: GET \/repos\/\{owner\}\/\{repo\} 418.*message must be string/);
});

test("a status of a commit that is not there, or with a long description, is refused", async () => {
  const github = await started();
  const { id, sha } = await github.createRepository("o", "r");
  const token = await tokenFor(github, { repository_ids: [Number(id)], permissions: { statuses: "write" } });
  const gone = `/repos/o/r/statuses/${"1".repeat(40)}`;
  expect((await call(github, gone, { token, body: { state: "success" } })).status).toBe(422);
  const long = { state: "success", description: "x".repeat(141) };
  expect((await call(github, `/repos/o/r/statuses/${sha}`, { token, body: long })).status).toBe(422);
});

test("planned faults hit the calls they are meant for, as often as they are meant to", async () => {
  const github = await started();
  await github.createRepository("o", "r");
  github.failNext({ fault: { kind: "status", status: 502 }, matching: "GET /repos/o/r", times: 2 });
  github.failNext({ fault: { kind: "secondary-limit", retryAfterSeconds: 7 }, matching: "GET" });
  github.failNext({ fault: { kind: "cut" }, matching: "GET" });
  expect((await call(github, "/repos/o/r")).status).toBe(502);
  expect((await call(github, "/repos/o/r")).status).toBe(502);
  const limited = await call(github, "/repos/o/r");
  expect([limited.status, limited.headers.get("retry-after")]).toEqual([403, "7"]);
  await expect(call(github, "/repos/o/r")).rejects.toThrow("fetch failed");
  expect((await call(github, "/repos/o/r")).status).toBe(200);
  github.failNext({ fault: { kind: "silent" } });
  const leave = new AbortController();
  const silent = fetch(`${github.apiUrl}/repos/o/r`, { signal: leave.signal });
  await expect.poll(() => github.calls.length, { timeout: 60_000 }).toBe(6);
  leave.abort(new Error("enough"));
  await expect(silent).rejects.toThrow("enough");
});

test("what is waited for ends the wait as soon as it is posted", async () => {
  const github = await started();
  const { id, sha } = await github.createRepository("o", "r");
  const token = await tokenFor(github, { repository_ids: [Number(id)], permissions: { statuses: "write" } });
  const seen = github.statuses.until((statuses) => statuses.latest(sha).get("a")?.state === "success");
  for (const state of ["pending", "success"]) {
    await call(github, `/repos/o/r/statuses/${sha}`, { token, body: { state, context: "a" } });
  }
  await seen;
  await github.statuses.until(({ all }) => all.length === 2);
  const never = github.statuses.until(() => false, { signal: AbortSignal.abort(new Error("enough")) });
  await expect(never).rejects.toThrow("enough");
});

test("git clones a public repository, with modes, links and a second commit", async () => {
  const github = await started();
  const folder = await mkdtemp(join(tmpdir(), "clone-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const { cloneUrl } = await github.createRepository("o", "r", {
    branch: "main",
    files: { "a b/ü.txt": "text", "run.sh": { content: "#!/bin/sh\n", mode: "100755" }, gone: "x" },
  });
  const sha = await github.commit("o", "r", { files: { gone: null, link: { content: "run.sh", mode: "120000" } } });
  await run("git", ["clone", "--quiet", cloneUrl, folder]);
  expect(await readFile(join(folder, "a b/ü.txt"), "utf8")).toBe("text");
  expect((await stat(join(folder, "link"))).mode & 0o111).not.toBe(0);
  await expect(stat(join(folder, "gone"))).rejects.toThrow("ENOENT");
  expect((await run("git", ["-C", folder, "rev-parse", "HEAD", "origin/main"])).stdout).toBe(`${sha}\n${sha}\n`);
});

test("git clones a private repository only with a token for its contents", async () => {
  const github = await started();
  const { id, cloneUrl } = await github.createRepository("o", "r", { private: true });
  const ask = (...settings: string[]) =>
    run("git", [...settings, "ls-remote", cloneUrl], { env: { ...process.env, GIT_TERMINAL_PROMPT: "0" } });
  const header = (token: string) =>
    `http.extraHeader=Authorization: Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}`;
  await expect(ask()).rejects.toThrow("could not read Username");
  const token = await tokenFor(github, { repository_ids: [Number(id)], permissions: { contents: "read" } });
  expect((await ask("-c", header(token))).stdout).toContain("refs/heads/master");
  const other = await tokenFor(github, { repository_ids: [Number(id)], permissions: { statuses: "write" } });
  await expect(ask("-c", header(other))).rejects.toThrow();
});

test("git meets planned faults of its own, which calls of the API do not", async () => {
  const github = await started();
  const { cloneUrl } = await github.createRepository("o", "r");
  const ask = () => run("git", ["ls-remote", cloneUrl], { env: { ...process.env, LC_ALL: "C" } });
  for (const fault of [{ kind: "cut" }, { kind: "lost-answer" }, { kind: "status", status: 502 }] as const) {
    github.failNext({ way: "git", fault });
  }
  expect((await call(github, "/repos/o/r")).status).toBe(200);
  await expect(ask()).rejects.toThrow(/Empty reply|reset by peer/);
  await expect(ask()).rejects.toThrow(/outstanding read data|unexpected|transfer closed|early EOF/);
  await expect(ask()).rejects.toThrow("502");
  expect((await ask()).stdout).toContain("refs/heads/master");
});

test("an App asks for a delivery once more, and GitHub notes both attempts under one GUID", async () => {
  const github = await started();
  await github.hook.send({ zen: "x" }, { event: "ping", guid: "g" });
  const [first] = github.hook.noted;
  const path = `/app/hook/deliveries/${first?.id}/attempts`;
  const received: (string | undefined)[] = [];
  const receiver = createServer((request, response) => {
    received.push(String(request.headers["x-github-delivery"]));
    response.writeHead(202).end();
  });
  onTestFinished(() => void receiver.close());
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  github.hook.url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  expect((await call(github, path, { body: {} })).status).toBe(401);
  expect((await call(github, path.replace(String(first?.id), "1"), { token: jwt(github), body: {} })).status).toBe(404);
  expect(await call(github, path, { token: jwt(github), body: {} })).toMatchObject({ status: 202, body: {} });
  await expect.poll(() => github.hook.noted.length, { timeout: 60_000 }).toBe(2);
  expect(received).toEqual(["g"]);
  expect(github.hook.noted).toMatchObject([
    { guid: "g", redelivery: false, statusCode: 502 },
    { guid: "g", redelivery: true, statusCode: 202, status: "OK", event: "ping" },
  ]);
  expect(github.hook.noted[1]?.id).not.toBe(first?.id);
  await github.close();
});

test("a push is signed over the bytes that are sent", async () => {
  const github = await started();
  const { sha } = await github.createRepository("octocat", "fns", { private: true });
  const payload = github.pushPayload({ owner: "octocat", name: "fns", sha, branch: "dev" });
  expect(payload).toMatchObject({
    ref: "refs/heads/dev",
    after: sha,
    deleted: false,
    repository: { full_name: "octocat/fns", private: true, default_branch: "master", owner: { login: "octocat" } },
    installation: { id: Number(github.installationId) },
  });
  const { headers, body } = github.sign(payload, { guid: "g" });
  const expected = createHmac("sha256", github.webhookSecret).update(body).digest("hex");
  expect(headers).toMatchObject({ "x-hub-signature-256": `sha256=${expected}`, "x-github-delivery": "g" });
});
