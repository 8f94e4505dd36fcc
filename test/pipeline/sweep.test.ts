import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import type { NotedDelivery } from "../../src/model/noted-delivery.ts";
import { type SweepHands, sweep } from "../../src/pipeline/sweep.ts";

const { signal } = new AbortController();
const began = new Date("2026-11-20T00:00:00Z");

/** GitHub's note of a delivery that did not arrive, so many minutes after the beginning. */
function noteOf(minutes: number): NotedDelivery {
  const name = `d${minutes}`;
  const deliveredAt = new Date(began.getTime() + minutes * 60_000);
  return { id: name, guid: name, event: "push", deliveredAt, answer: "502", arrived: false, isOfUse: true };
}

/** What GitHub answers for the payloads of ten deliveries: `gone`, `broken` while that holds, or the payload. */
function scene(answers: Readonly<Record<string, "gone" | "broken">>) {
  const known = new Set<string>();
  const refused: string[] = [];
  const marks: Date[] = [];
  const hands: SweepHands = {
    readMark: async () => ({ beganAt: began, knownUntil: marks.at(-1) }),
    storeMark: async (mark) => void marks.push(mark),
    async *pages() {
      yield Array.from({ length: 10 }, (_, at) => noteOf(10 - at));
    },
    async readPayload(id) {
      if (answers[id] === "broken") throw new BuilderError("github_failed", `GitHub answered 500 for ${id}`);
      return answers[id] === "gone" ? undefined : Buffer.from(id);
    },
    unknownOf: async (guids) => new Set(guids.filter((guid) => !known.has(guid))),
    ingest: async ({ guid }) => void known.add(guid),
    async refuse({ guid }, reason) {
      known.add(guid);
      refused.push(`${guid}: ${reason}`);
    },
  };
  return { hands, known, refused, marks };
}

test("a delivery that GitHub does not have any more is put down, and all others are taken", async () => {
  const { hands, known, refused, marks } = scene({ d2: "gone" });
  expect(await sweep(hands, { signal })).toBe(10);
  expect(known.size).toBe(10);
  expect(refused).toEqual(["d2: GitHub does not have its payload any more"]);
  expect(marks).toEqual([noteOf(10).deliveredAt]);
});

test("a delivery that cannot be had now holds up no other, and is asked for again", async () => {
  const answers: Record<string, "broken"> = { d1: "broken", d5: "broken" };
  const { hands, known, marks } = scene(answers);
  await expect(sweep(hands, { signal })).rejects.toThrow("500 for d1");
  expect([known.size, marks]).toEqual([8, []]);
  delete answers.d1;
  delete answers.d5;
  expect(await sweep(hands, { signal })).toBe(2);
  expect([known.size, marks]).toEqual([10, [noteOf(10).deliveredAt]]);
});

test("where nothing can be had GitHub is not asked for all of it", async () => {
  const all = Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`d${at + 1}`, "broken" as const]));
  const asked: string[] = [];
  const { hands } = scene(all);
  const { readPayload } = hands;
  const counting: SweepHands = {
    ...hands,
    readPayload(id, options) {
      asked.push(id);
      return readPayload(id, options);
    },
  };
  await expect(sweep(counting, { signal })).rejects.toThrow("500 for d1");
  expect(asked).toEqual(["d1", "d2", "d3"]);
});
