import { readFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";
import { gitScene, listening, privateRepository, uniqueName } from "./git-scene.ts";

const { signal } = new AbortController();
let github: GithubServer;

beforeAll(async () => {
  github = await startGithubServer();
});
afterAll(() => github.close());

test("G8 a redirect to another host is not followed", async () => {
  const { git } = await gitScene();
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName());
  const redirecting = createServer((request, response) => {
    response.writeHead(302, { location: cloneUrl + String(request.url).slice("/o/r.git".length) }).end();
  });
  const url = `${await listening(redirecting)}/o/r.git`;
  await expect(git.checkout({ url, sha }, { signal })).rejects.toMatchObject({ code: "checkout_failed" });
});

test("G7 where a server redirects to, the token is not sent, nor anything else", async () => {
  const { git } = await gitScene();
  const { sha, token } = await privateRepository(github);
  const [asked, sent]: [IncomingHttpHeaders[], IncomingHttpHeaders[]] = [[], []];
  const target = await listening(
    createServer(({ headers }, response) => {
      sent.push(headers);
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    }),
  );
  for (const status of [301, 302, 303, 307, 308]) {
    const redirecting = createServer(({ url, headers }, response) => {
      asked.push(headers);
      response.writeHead(status, { location: target + url }).end();
    });
    const want = { url: `${await listening(redirecting)}/o/r.git`, token };
    for (const ask of [
      () => git.checkout({ ...want, sha }, { signal }),
      () => git.headOf({ ...want, ref: "refs/heads/main" }, { signal }),
    ])
      await expect(ask()).rejects.toMatchObject({
        code: "checkout_failed",
        message: expect.not.stringContaining(token),
      });
  }
  const authorization = `Basic ${btoa(`x-access-token:${token}`)}`;
  expect(asked.map((headers) => headers.authorization)).toEqual(Array.from({ length: 10 }, () => authorization));
  expect(sent).toEqual([]);
});

test("G3 a bundle that a server names is not asked for (CVE-2025-48385)", async () => {
  const { git } = await gitScene();
  const { cloneUrl, sha } = await github.createRepository("o", uniqueName(), { files: { file: "x" } });
  const { origin, pathname } = new URL(cloneUrl);
  const packet = (line: string) => (line.length + 4).toString(16).padStart(4, "0") + line;
  const [commands, bundles]: [string[], string[]] = [[], []];
  const elsewhere = await listening(createServer(({ url = "" }, response) => response.end(bundles.push(url) && "")));
  const naming = createServer(async (request, response) => {
    const { method = "", url, headers } = request;
    const body = await buffer(request);
    commands.push(...(/command=(?:fetch|ls-refs|bundle-uri)/.exec(body.toString("latin1")) ?? []));
    if (commands.at(-1) === "command=bundle-uri") {
      const lines = ["bundle.version=1", "bundle.mode=all", `bundle.a.uri=${elsewhere}/a\tb`].map(packet).join("");
      return void response
        .writeHead(200, { "content-type": "application/x-git-upload-pack-result" })
        .end(`${lines}0000`);
    }
    const { host: _, ...others } = headers;
    const onward = { method, headers: others as Record<string, string>, ...(method === "POST" && { body }) };
    const answer = await fetch(origin + url, onward);
    const text = Buffer.from(await answer.arrayBuffer());
    const told = method === "GET" ? text.toString("latin1").replace(/0000$/, `${packet("bundle-uri\n")}0000`) : text;
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
    response.end(typeof told === "string" ? Buffer.from(told, "latin1") : told);
  });
  const url = (await listening(naming)) + pathname;
  for (const open of [() => git.checkout({ url, sha }, { signal }), () => git.checkoutRef({ url }, { signal })]) {
    await using checkout = await open();
    expect(await readFile(join(checkout.folder, "file"), "utf8")).toBe("x");
  }
  expect([commands.includes("command=fetch"), commands.includes("command=bundle-uri"), bundles]).toEqual([
    true,
    false,
    [],
  ]);
});
