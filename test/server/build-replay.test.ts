import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { createFairQueue } from "../../src/pipeline/fair-queue.ts";
import type { PayloadKey } from "../../src/server/build-signature.ts";
import { createReplayGuard, type ReplayProtection } from "../../src/server/replay-guard.ts";
import { archive } from "../contexts/archives.ts";
import { post, serveBuilds, sign } from "./build-requests.ts";

const body = archive(
  { name: "context/Dockerfile", body: "FROM busybox" },
  { name: "com.openfaas.docker.config", body: '{"image":"r/x"}' },
);
const secret = async () => "s3cret";

/** Headers of a request that says when it was made. */
function stamped(seconds: number | string, key = "s3cret"): Record<string, string> {
  const hmac = createHmac("sha256", key).update(`${seconds}.`).update(body);
  return { "x-build-timestamp": String(seconds), "x-build-signature": `sha256=${hmac.digest("hex")}` };
}

const now = () => Math.floor(Date.now() / 1000);
const guard = (protection: ReplayProtection) => createReplayGuard(protection, { now: Date.now });

describe("several keys", () => {
  test("T26 are all good while one is replaced, and a key that is gone is not", async () => {
    let keys: PayloadKey[] = [
      { id: "payload-secret", secret: "new" },
      { id: "payload-secret", secret: "old" },
      { id: "payload-secret-alice", secret: "alice's" },
    ];
    await using server = await serveBuilds({ keys: async () => keys });
    const statuses = async () => {
      const answers = [];
      for (const key of ["new", "old", "alice's", "other"])
        answers.push((await post(server, body, { "x-build-signature": sign(body, key) })).status);
      return answers;
    };
    expect(await statuses()).toEqual([200, 200, 200, 401]);
    keys = keys.slice(0, 1);
    expect(await statuses()).toEqual([200, 401, 401, 401]);
  });

  test("let nobody in where one of them is empty", async () => {
    const keys = ["good", ""].map((value) => ({ id: "payload-secret", secret: value }));
    await using server = await serveBuilds({ keys: async () => keys });
    expect((await post(server, body, { "x-build-signature": sign(body, "") })).status).toBe(500);
    expect(server.orders).toEqual([]);
  });
});

describe("a request that is sent again", () => {
  test.for<[ReplayProtection, () => Record<string, string>, readonly number[]]>([
    ["off", () => ({ "x-build-signature": sign(body, "s3cret") }), [200, 200]],
    ["off", () => stamped(now()), [200, 401]],
    ["digest", () => ({ "x-build-signature": sign(body, "s3cret") }), [200, 401]],
    ["timestamp", () => ({ "x-build-signature": sign(body, "s3cret") }), [401, 401]],
    ["timestamp", () => stamped(now()), [200, 401]],
  ])("T26 with replay_protection %s", async ([protection, headers, statuses]) => {
    await using server = await serveBuilds({ secret, replayGuard: guard(protection) });
    const same = headers();
    const answers = [await post(server, body, same), await post(server, body, same)];
    expect(answers.map(({ status }) => status)).toEqual(statuses);
  });

  test.for<ReplayProtection>(["digest", "timestamp"])(
    "T26 is taken again where it came to nothing, with replay_protection %s",
    async (protection) => {
      const queue = createFairQueue({ maxRunning: 1, maxWaiting: 0 });
      const faults = [new BuilderError("build_failed", "it failed")];
      const build = () => (faults.length > 0 ? Promise.reject(faults.pop()) : Promise.resolve("sha256:1"));
      await using server = await serveBuilds({ secret, build, queue, replayGuard: guard(protection) });
      const other = await queue.enter({ key: "other", signal: new AbortController().signal });
      const same = stamped(now());
      expect((await post(server, body, same)).status).toBe(429);
      other[Symbol.dispose]();
      const statuses = [];
      for (let time = 0; time < 3; time += 1) statuses.push((await post(server, body, same)).status);
      expect(statuses).toEqual([500, 200, 401]);
    },
  );

  test("T26 is good with another stamp, and refused with one of another time, form or signature", async () => {
    await using server = await serveBuilds({ secret, replayGuard: guard("timestamp") });
    const [right, later] = [stamped(now()), stamped(now() + 100)];
    expect((await post(server, body, right)).status).toBe(200);
    expect((await post(server, body, later)).status).toBe(200);
    const wrong: readonly [Record<string, string>, RegExp][] = [
      [stamped(now() - 400), /five minutes/],
      [stamped(now() + 400), /five minutes/],
      [stamped("yesterday"), /another form/],
      [{ ...right, "x-build-timestamp": String(now() + 1) }, /does not fit the body/],
      [stamped(now(), "other"), /does not fit the body/],
      [{ "x-build-timestamp": String(now()), "x-build-signature": sign(body, "s3cret") }, /does not fit the body/],
    ];
    for (const [headers, message] of wrong) {
      const answer = await post(server, body, headers);
      expect(answer.status).toBe(401);
      expect(answer.json.error).toMatch(message);
    }
  });

  test("is remembered only as long as it could be good, and never more than so many", () => {
    let nowMs = 0;
    const check = (replays: ReturnType<typeof createReplayGuard>, hex: string) => {
      try {
        replays.check({ hex, isStamped: true });
        return "taken";
      } catch {
        return "refused";
      }
    };
    const long = createReplayGuard("timestamp", { now: () => nowMs });
    expect([check(long, "a"), check(long, "a")]).toEqual(["taken", "refused"]);
    nowMs = 11 * 60 * 1000;
    expect(check(long, "a")).toBe("taken");
    const small = createReplayGuard("timestamp", { now: () => nowMs, maxEntries: 2 });
    expect(["a", "b", "c", "c", "b", "a"].map((hex) => check(small, hex))).toEqual([
      "taken",
      "taken",
      "taken",
      "refused",
      "refused",
      "taken",
    ]);
  });
});
