import { expect, onTestFinished, test, vi } from "vitest";
import { createGithubApp } from "../../src/github/app.ts";
import { createLog } from "../../src/log.ts";
import type { Product } from "../github-server/openapi.ts";
import { startGithubServer } from "../github-server/server.ts";
import { unsent } from "../unsent.ts";

const { signal } = new AbortController();

async function scene(product: Product, { attemptMs }: { attemptMs?: number } = {}) {
  const github = await startGithubServer({ product });
  onTestFinished(() => github.close());
  const { id, sha } = await github.createRepository("octocat", "fns", { branch: "main" });
  const app = createGithubApp({
    appId: github.appId,
    privateKey: async () => github.privateKeyPem,
    // With the slash that people copy along.
    apiUrl: `${github.apiUrl}/`,
    way: "check",
    webUrl: github.url,
    log: createLog("silent"),
    backoffMs: 1,
    ...(attemptMs !== undefined && { attemptMs }),
  });
  const place = { installationId: github.installationId, repositoryId: id, owner: "octocat", repository: "fns" };
  return { github, app, place, sha };
}

test.for(["ghes-3.17", "ghes-3.18", "ghes-3.19"] as const)(
  "all that an App says to GitHub Enterprise Server is as %s describes it, without a word of a quota",
  async (product) => {
    const { github, app, place, sha } = await scene(product);
    const turn = { pushId: "push", sha, ...place, ...unsent };
    const report = { context: "hello", state: "queued", description: "waits" } as const;
    const created = await app.writeReport({ ...turn, report }, { signal });
    expect(created).toMatchObject({ kind: "shown", way: "check" });
    expect(created).not.toHaveProperty("quota");
    const { checkId } = created as { checkId: string };
    await app.writeReport({ ...turn, way: "check", checkId, report: { ...report, state: "success" } }, { signal });
    expect(github.checks.latest(sha).get("hello")).toMatchObject({ conclusion: "success" });
    expect(await app.writeReport({ ...turn, way: "status", report }, { signal })).toMatchObject({ kind: "shown" });
    const uncertain = { context: "found", state: "queued", description: "" } as const;
    github.failNext({ fault: { kind: "lost-answer" }, matching: "check-runs" });
    await app.writeReport({ ...turn, report: uncertain }, { signal });
    await app.writeReport({ ...turn, isUncertain: true, report: uncertain }, { signal });

    const head = await app.facts.branchHead(place, { branch: "main", etag: undefined }, { signal });
    expect(head).toMatchObject({ sha });
    const { etag } = head as { etag: string };
    expect(await app.facts.branchHead(place, { branch: "main", etag }, { signal })).toBe("same");
    await github.openPull("octocat", "fns", { number: 7, sha, fork: true });
    expect(await app.facts.pullRequest(place, 7, { signal })).toMatchObject({ sha, fork: true });
    expect(await app.facts.mayWrite(place, "stranger", { signal })).toBe(false);
    expect(await app.facts.installationOf(place, { signal })).toBe(github.installationId);

    github.hook.note({ zen: "x" }, { event: "push", statusCode: 502 });
    for await (const [noted] of app.deliveries.pages({ signal })) {
      expect(await app.deliveries.readPayload(String(noted?.id), { signal })).toEqual(Buffer.from('{"zen":"x"}'));
    }
    await app.registration.read({ signal });
    await app.registration.moveHook("https://builder.example.com/github-event", { signal });
    expect(await app.registration.readHook({ signal })).toMatchObject({
      url: "https://builder.example.com/github-event",
    });
    await app.registration.installations({ signal });
    await github.close();
  },
);

test("an attempt has thirty seconds, or what it was given, and no request is without that limit", async () => {
  const limits = vi.spyOn(AbortSignal, "timeout");
  onTestFinished(() => limits.mockRestore());
  const usual = await scene("ghes-3.19");
  await usual.app.facts.installationOf(usual.place, { signal });
  await usual.app.writeReport(
    {
      pushId: "p",
      sha: usual.sha,
      ...usual.place,
      ...unsent,
      report: { context: "c", state: "queued", description: "" },
    },
    { signal },
  );
  expect(limits.mock.calls).toEqual(usual.github.calls.map(() => [30_000]));
  limits.mockClear();
  const brief = await scene("ghes-3.19", { attemptMs: 20_000 });
  await brief.app.facts.installationOf(brief.place, { signal });
  expect(limits.mock.calls).toEqual([[20_000]]);
});
