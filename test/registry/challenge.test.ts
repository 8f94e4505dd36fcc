import { expect, test } from "vitest";
import { parseChallenge } from "../../src/registry/challenge.ts";

test.for([
  ["Basic", { scheme: "basic" }],
  ['Basic realm="Registry Realm"', { scheme: "basic" }],
  ['basic realm="x"', { scheme: "basic" }],
  [
    'Bearer realm="https://auth.example.com/token",service="reg",scope="repository:a/b:pull,push"',
    { scheme: "bearer", realm: "https://auth.example.com/token", service: "reg", scope: "repository:a/b:pull,push" },
  ],
  ['bearer Realm = "https://a/t" , Service=reg', { scheme: "bearer", realm: "https://a/t", service: "reg", scope: "" }],
  ['Basic realm="x", Bearer realm="https://a/t"', { scheme: "bearer", realm: "https://a/t", service: "", scope: "" }],
  ['Bearer realm="https://a/t", Basic realm="x"', { scheme: "bearer", realm: "https://a/t", service: "", scope: "" }],
  ['Bearer realm="https://a/\\"t"', { scheme: "bearer", realm: 'https://a/"t', service: "", scope: "" }],
  ['Bearer service="no realm"', undefined],
  ["Negotiate", undefined],
  ["", undefined],
] as const)("WWW-Authenticate %j is understood", ([header, expected]) => {
  expect(parseChallenge(header)).toEqual(expected);
});

test("a header of a megabyte is read in a moment", () => {
  const header = `Bearer ${'a="'.repeat(350_000)}`;
  expect(parseChallenge(header)).toBeUndefined();
});
