import { describe, expect, test } from "vitest";
import { createAddressLimit } from "../../src/server/address-limit.ts";

test("one address gets half of the places, all together no more than there are", () => {
  const limit = createAddressLimit(4);
  const places = ["a", "a", "a", "b", "c", "d"].map((address) => limit.take(`10.0.0.${address}`));
  expect(places.map((place) => place !== undefined)).toEqual([true, true, false, true, true, false]);
  places[0]?.[Symbol.dispose]();
  places[0]?.[Symbol.dispose]();
  expect(limit.take("10.0.0.a")).toBeDefined();
  expect(limit.take("10.0.0.e")).toBeUndefined();
});

describe("who waits for a place", () => {
  const wait = (limit: ReturnType<typeof createAddressLimit>, address: string, given: object = {}) =>
    limit.enter(address, { limitMs: 60_000, signal: new AbortController().signal, ...given });

  test("gets one in the order of asking, past an address that has enough", async () => {
    const limit = createAddressLimit(4);
    const held = ["a", "a", "b", "b"].map((address) => limit.take(address));
    const got: string[] = [];
    const waiting = ["a", "c", "d"].map(async (address) => {
      const place = await wait(limit, address);
      got.push(address);
      return place;
    });
    held[2]?.[Symbol.dispose]();
    await waiting[1];
    held[3]?.[Symbol.dispose]();
    await waiting[2];
    expect(got).toEqual(["c", "d"]);
    held[0]?.[Symbol.dispose]();
    await waiting[0];
    expect(got).toEqual(["c", "d", "a"]);
  });

  test("waits no longer than it may, and no place is lost with one that has given up", async () => {
    const limit = createAddressLimit(2);
    const held = limit.take("a");
    const gone = new AbortController();
    const left = wait(limit, "a", { signal: gone.signal });
    expect(await wait(limit, "a", { limitMs: 1 })).toBeUndefined();
    gone.abort(new Error("gone"));
    held?.[Symbol.dispose]();
    await expect(left).rejects.toThrow("gone");
    expect(limit.take("a")).toBeDefined();
  });

  test("is refused at once where as many wait already as may", async () => {
    const limit = createAddressLimit(1);
    const held = limit.take("a");
    const waiting = Array.from({ length: 8 }, () => wait(limit, "a"));
    expect(await wait(limit, "a")).toBeUndefined();
    held?.[Symbol.dispose]();
    for (const each of waiting) (await each)?.[Symbol.dispose]();
    expect(limit.take("a")).toBeDefined();
  });
});

test.for<[string, string, boolean]>([
  ["2001:db8:0:1::1", "2001:db8:0:1:ffff:1:2:3", true],
  ["2001:db8:0:1::1", "2001:db8:0:2::1", false],
  ["2001:db8::1", "2001:db8:0:0:5::", true],
  ["::1", "::2", true],
  ["::ffff:10.0.0.1", "::ffff:10.0.0.2", false],
  ["10.0.0.1", "10.0.0.2", false],
])("%s and %s are one network: %s", ([one, other, isSame]) => {
  const limit = createAddressLimit(2);
  expect(limit.take(one)).toBeDefined();
  expect(limit.take(other) === undefined).toBe(isSame);
});
