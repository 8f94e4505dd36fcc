import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, inject, it } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { readNewerSha, readRun, storeEnd } from "../../src/database/pushes.ts";
import { beginRun } from "../../src/database/standing.ts";
import { makeQueueTables } from "../../src/jobs/queue-tables.ts";
import type { Push } from "../../src/model/push.ts";
import { deliver } from "./runs.ts";
import { createTestDatabase, quiet } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log: quiet }));
await makeQueueTables({ databaseUrl: url, log: quiet });

const [a, b, c] = ["a", "b", "c"].map((letter) => letter.repeat(40)) as [string, string, string];

/** Pushes to a branch of its own, and what begins while GitHub says that its head is `heads`. */
function aBranch() {
  const branch = randomUUID();
  return {
    push: (sha: string, more: Partial<Push> & { skip?: string } = {}) => {
      const { skip, ...rest } = more;
      return deliver(database, { branch, sha, ...rest }, skip === undefined ? {} : { skip });
    },
    begin: (id: string, ...heads: string[]) => beginRun(database, id, async () => heads),
  };
}
const current = { order: expect.stringMatching(/^\d+$/) };

describe("a push that begins", () => {
  it("is what its branch stands for while it is the head, and runs from then on", async () => {
    const { push, begin } = aBranch();
    const id = await push(a);
    expect(await begin(id, a)).toEqual(current);
    expect(await readRun(database, id)).toMatchObject({ state: "running", startedAt: expect.any(Date) });
  });

  it("has a higher order than what was seen at the head before it, however they arrived", async () => {
    const { push, begin } = aBranch();
    const [arrivedFirst, arrivedLast] = [await push(b), await push(a)];
    const older = (await begin(arrivedLast, a)) as { order: string };
    const newer = (await begin(arrivedFirst, b)) as { order: string };
    expect(BigInt(newer.order)).toBeGreaterThan(BigInt(older.order));
  });

  it("is superseded by the head's push where that is known, and says so", async () => {
    const { push, begin } = aBranch();
    const [older, newer] = [await push(a), await push(b)];
    expect(await begin(older, b)).toEqual({ supersededBy: { sha: b } });
    expect(await readRun(database, older)).toMatchObject({ supersededBy: newer, description: "superseded by bbbbbbb" });
    expect(await readNewerSha(database, older)).toBe(b);
  });

  it("is built without moving anything while the head's push is not known yet", async () => {
    const { push, begin } = aBranch();
    expect(await begin(await push(a), b)).toEqual({});
  });

  it("is superseded by what GitHub's times say is newer, whatever the head is", async () => {
    const { push, begin } = aBranch();
    await push(b, { pushedAt: 20 });
    expect(await begin(await push(a, { pushedAt: 10 }), c)).toEqual({ supersededBy: { sha: b } });
  });

  it("is not superseded by what is older, where GitHub still shows that as the head", async () => {
    const { push, begin } = aBranch();
    const older = await push(a, { pushedAt: 10 });
    await begin(older, a);
    await storeEnd(database, older, { state: "success", description: "", functions: [] });
    expect(await begin(await push(b, { pushedAt: 20 }), a)).toEqual(current);
  });

  it("goes on where nobody can say what the head is", async () => {
    const { push, begin } = aBranch();
    expect(await begin(await push(a))).toEqual(current);
  });

  it("is not superseded by a push that is not to be built", async () => {
    const { push, begin } = aBranch();
    const id = await push(a, { pushedAt: 10 });
    await push(b, { pushedAt: 20, skip: "[skip ci]" });
    expect(await begin(id, b)).toEqual(current);
  });

  it("because a person asked for it is superseded by nothing, and moves the branch only as its head", async () => {
    const { push, begin } = aBranch();
    await push(b, { pushedAt: 20 });
    expect(await begin(await push(a, { pushedAt: 10, kind: "rebuild" }), b)).toEqual({});
    expect(await begin(await push(b, { pushedAt: 20, kind: "rebuild" }), b)).toEqual(current);
  });

  it("knows a tag by its commit and by its own object", async () => {
    const { push, begin } = aBranch();
    expect(await begin(await push(b, { kind: "tag", ref: "refs/tags/v1" }), a, b)).toEqual(current);
  });
});
