import { expect, test } from "vitest";
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
