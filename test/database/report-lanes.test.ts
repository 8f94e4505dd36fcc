import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../src/database/database.ts";
import { freeLanes, holdTurn, nextTurnMs, type TakenTurn } from "../../src/database/report-lanes.ts";
import { stackContext } from "../../src/model/report.ts";
import { newPush, reportingOn } from "./reporting.ts";
import { ask, createTestDatabase, quiet as log } from "./scratch.ts";

const parts = new AsyncDisposableStack();
afterAll(() => parts.disposeAsync());
const { url } = parts.use(await createTestDatabase(inject("database")));
const database = parts.use(await openDatabase(url, { log }));
const { tell, take, end, drain } = reportingOn(database);

test("of a report that changed often only its newest state is written", async () => {
  const push = newPush();
  for (const state of ["queued", "running", "running", "success"] as const) await tell(push, { state });
  expect(await drain()).toEqual([`${stackContext} success`]);
  expect(await take()).toBeUndefined();
});

test("what changes while it is written is written again", async () => {
  const push = newPush();
  await tell(push, { state: "running" });
  const turn = await take();
  await tell(push, { state: "success" });
  await end(turn as TakenTurn);
  expect(await drain()).toEqual([`${stackContext} success`]);
});

test("an end stays, and whoever has begun does not wait any more", async () => {
  const push = newPush();
  await tell(push, { state: "running" });
  await tell(push, { state: "queued" });
  expect((await take())?.report.state).toBe("running");
  await tell(push, { state: "failure" });
  await tell(push, { state: "running" });
  await freeLanes(database, { holder: "me" });
  expect(await drain()).toEqual([`${stackContext} failure`]);
});

test("first words come first, then ends, the stack's when all of its functions' are written", async () => {
  const push = newPush();
  await tell(push, { state: "running" });
  await drain();
  for (const context of ["a", "b", "c"]) await tell(push, { context, state: "queued" });
  await tell(push, { context: "b", state: "failure" });
  await tell(push, { context: "c", state: "success" });
  await tell({ ...push, delivery: "another" }, { state: "running" });
  await tell(push, { state: "failure" });
  expect(await drain()).toEqual([
    `${stackContext} running`,
    "b failure",
    "c success",
    `${stackContext} failure`,
    "a queued",
  ]);
});

test("an installation is written for by one at a time, and after each write comes the pause", async () => {
  const push = newPush();
  await tell(push, { state: "running" });
  await tell(push, { context: "a", state: "queued" });
  const both = await Promise.all([take("me"), take("you")]);
  expect(both.filter((turn) => turn !== undefined)).toHaveLength(1);
  expect(await take("you")).toBeUndefined();
  await end((both[0] ?? both[1]) as TakenTurn, {}, 3_600_000);
  expect(await take("you")).toBeUndefined();
  expect(await nextTurnMs(database)).toBeGreaterThan(3_000_000);
  await ask(url, "update report_lane set free_at = now() where installation_id = $1", [push.installationId]);
  expect((await drain())[0]).toBe("a queued");
});

test("installations do not wait for each other", async () => {
  const [one, other] = [newPush(), newPush()];
  await tell(one, {});
  await tell(other, {});
  const turns = [await take(), await take()];
  expect(new Set(turns.map((turn) => turn?.installationId))).toEqual(
    new Set([one.installationId, other.installationId]),
  );
  for (const turn of turns) await end(turn as TakenTurn);
});

test("who had a turn for too long changes nothing any more, and the next knows that its end is unknown", async () => {
  const push = newPush();
  await tell(push, {});
  const late = (await take("me", 0)) as TakenTurn;
  const next = (await take("you")) as TakenTurn;
  expect([late.isUncertain, next.isUncertain]).toEqual([false, true]);
  await end(late, { checkId: "1" });
  await end(next, { checkId: "2" });
  await tell(push, { state: "success" });
  const last = (await take()) as TakenTurn;
  expect([last.checkId, last.isUncertain]).toEqual(["2", false]);
  await end(last);
});

test("a turn lasts while it is held, and is another's soon after its process died", async () => {
  const push = newPush();
  await tell(push, {});
  const first = (await take("me", 0)) as TakenTurn;
  expect(await holdTurn(database, first, { leaseMs: 60_000 })).toBe(true);
  expect(await take("you")).toBeUndefined();
  await holdTurn(database, first, { leaseMs: 0 });
  const next = (await take("you")) as TakenTurn;
  expect(await holdTurn(database, first, { leaseMs: 60_000 })).toBe(false);
  await end(next);
  // Who holds a turn that has just ended keeps nobody from the next.
  expect(await holdTurn(database, next, { leaseMs: 60_000 })).toBe(false);
  await tell(push, { state: "success" });
  await end((await take("me")) as TakenTurn);
});

test("a process that comes back gives back the turns that it had when it died", async () => {
  await tell(newPush(), {});
  await take("dead");
  expect(await take("other")).toBeUndefined();
  await freeLanes(database, { holder: "dead" });
  const turn = (await take("other")) as TakenTurn;
  expect(turn.isUncertain).toBe(true);
  await end(turn);
});

test("the pause that GitHub asks for holds the whole installation, and one without an end grows", async () => {
  const push = newPush();
  await tell(push, {});
  await tell(push, { context: "a", state: "queued" });
  const free = async () => {
    const rows = await ask(
      url,
      "select extract(epoch from free_at - now())::integer as seconds from report_lane where installation_id = $1",
      [push.installationId],
    );
    await ask(url, "update report_lane set free_at = now() where installation_id = $1", [push.installationId]);
    return Number(rows[0]?.seconds);
  };
  await end((await take()) as TakenTurn, { kind: "paused", untilMs: Date.now() + 500_000, reason: "" });
  expect(await take()).toBeUndefined();
  expect(await free()).toBeGreaterThan(450);
  const waits: number[] = [];
  for (let at = 0; at < 3; at++) {
    await end((await take()) as TakenTurn, { kind: "paused", untilMs: undefined, reason: "" });
    waits.push(Math.round((await free()) / 60));
  }
  expect(waits).toEqual([2, 4, 8]);
  await drain();
});

test("a spent quota holds until it is given anew, and one that is nearly spent is kept for ends", async () => {
  const push = newPush();
  await tell(push, {});
  await end((await take()) as TakenTurn, { quota: { left: 400, resetsAtMs: Date.now() + 3_600_000 } });
  await tell(push, { description: "progress" });
  expect(await take()).toBeUndefined();
  expect(await nextTurnMs(database)).toBeUndefined();
  await tell(push, { state: "success" });
  await end((await take()) as TakenTurn, { quota: { left: 0, resetsAtMs: Date.now() + 3_600_000 } });
  const known = await ask(url, "select quota_left from report_lane where installation_id = $1", [push.installationId]);
  expect(known).toEqual([{ quota_left: 0 }]);
  await tell(push, { context: "a", state: "failure" });
  expect(await take()).toBeUndefined();
  expect(await nextTurnMs(database)).toBeGreaterThan(3_000_000);
  await ask(url, "delete from report where push_id = $1", [push.delivery]);
});

test("progress is told some hundred times an hour at most, ends are always", async () => {
  const push = newPush();
  await tell(push, {});
  await drain();
  await ask(url, "update report_lane set hour_writes = 300 where installation_id = $1", [push.installationId]);
  await tell(push, { description: "progress" });
  expect(await take()).toBeUndefined();
  await tell(push, { state: "success" });
  expect(await drain()).toHaveLength(1);
});

test("what failed is tried again after a while, and does not hold the others", async () => {
  const push = newPush();
  await tell(push, {});
  await end((await take()) as TakenTurn, { kind: "failed", uncertain: true, reason: "" });
  await tell(push, { context: "a", state: "failure" });
  expect(await drain()).toEqual(["a failure"]);
  await ask(url, "update report set next_at = now() where push_id = $1", [push.delivery]);
  const again = (await take()) as TakenTurn;
  expect(again.isUncertain).toBe(true);
  await end(again);
});

test("what GitHub will never take is let go", async () => {
  const push = newPush();
  await tell(push, {});
  await end((await take()) as TakenTurn, { kind: "refused", reason: "the maximum number of statuses\0" });
  await tell(push, { state: "success" });
  expect(await take()).toBeUndefined();
  expect(await nextTurnMs(database)).toBeUndefined();
});

test("of what GitHub does not take the page of, the state is written, from then on", async () => {
  const push = newPush();
  await tell(push, {});
  await end((await take()) as TakenTurn, { kind: "unfit", reason: "output is invalid" });
  const again = (await take()) as TakenTurn;
  expect(again.bare).toBe("excuse");
  await end(again);
  await tell(push, { state: "success" });
  const last = (await take()) as TakenTurn;
  expect([last.bare, last.report.state]).toEqual(["excuse", "success"]);
  await end(last);
});

test("an installation without the permission is remembered for an hour", async () => {
  const push = newPush();
  await tell(push, {});
  await end((await take()) as TakenTurn, { kind: "unpermitted", whole: true, reason: "" });
  const again = (await take()) as TakenTurn;
  expect([again.isStatusesOnly, again.way]).toEqual([true, "status"]);
  await end(again, { way: "status" });
  await tell(push, { context: "a", state: "failure" });
  const other = (await take()) as TakenTurn;
  expect([other.isStatusesOnly, other.way]).toEqual([true, undefined]);
  await end(other);
});
