import { afterAll, beforeAll, expect, test } from "vitest";
import { createApiToken } from "../../src/compose/api-token.ts";
import { createInstallation, type Installation, type Serving, stackOf } from "./serving.ts";

const publicUrl = "https://builder.example.com";
const slow = "FROM busybox\nRUN echo first && sleep 1 && cat /proc/sys/kernel/random/uuid && echo last\n";

let installation: Installation;
let serving: Serving;
let token: string;
let sha: string;

beforeAll(async () => {
  installation = await createInstallation({ public_url: publicUrl });
  const folder = installation.settings.secret_mount_path ?? "";
  ({ token } = await createApiToken(folder, { name: "all", scopes: ["read"] }));
  serving = await installation.start();
  const files = stackOf({ live: slow });
  ({ sha } = await installation.github.createRepository("Alice", "fns", { files, branch: "main" }));
  await installation.push(serving, { sha, branch: "main" });
  await installation.github.statuses.until(({ latest }) => latest(sha).has("live"));
});
afterAll(() => installation[Symbol.asyncDispose]());

const open = (path: string, init: RequestInit = {}) => fetch(`${serving.address}${path}`, init);
const linkOf = (context: string) => installation.github.statuses.latest(sha).get(context)?.targetUrl ?? "";

test("a log is followed at the link of its status while its function waits and is built, to its end", async () => {
  expect(installation.github.statuses.latest(sha).get("live")?.state).toBe("pending");
  const { origin, pathname, search } = new URL(linkOf("live"));
  expect(origin).toBe(publicUrl);
  const answer = await open(`${pathname}${search}`);
  expect(answer.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(answer.headers.get("content-security-policy")).toBe("default-src 'none'; sandbox");
  const text = await answer.text();
  expect(text).toMatch(/ first\n/);
  expect(text).toMatch(/ last\n/);

  await installation.ended(sha);
  expect(await (await open(`${pathname}${search}`)).text()).toBe(text);
  const [, , push] = pathname.split("/");
  const headers = { authorization: `Bearer ${token}` };
  expect(await (await open(`/api/pushes/${push}/functions/live/log`, { headers })).text()).toBe(text);
  expect(await (await open(`${pathname}${search}`, { method: "HEAD" })).text()).toBe("");
  expect(linkOf("stack-deploy")).toBe("");
});

test("W15 the key of a link opens the logs of its push and nothing else", async () => {
  const { pathname, search, searchParams } = new URL(linkOf("live"));
  const [, , push] = pathname.split("/");
  const other = await installation.github.createRepository("Alice", "other", { files: stackOf({ live: slow }) });
  const id = "11111111-2222-3333-4444-555555555555";
  await installation.push(serving, { name: "other", sha: other.sha, branch: "master", guid: id });
  await installation.ended(other.sha);
  const key = searchParams.get("key") ?? "";
  const wrong = [
    pathname,
    `${pathname}?key=`,
    `${pathname}?key=${push}`,
    `${pathname}?key=${key}0`,
    `${pathname}?key=${key}&key=${key}`,
    `${pathname}x${search}`,
    `/logs/${id}/live${search}`,
    `/logs/%00/live${search}`,
  ];
  for (const path of wrong) expect([path, (await open(path)).status]).toEqual([path, 404]);
});
