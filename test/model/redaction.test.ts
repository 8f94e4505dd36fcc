import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { createRedactor } from "../../src/model/redaction.ts";
import { createRandom } from "../random.ts";

const secret = 'pässwörd/with+"quotes"&=';
const pem = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
}).privateKey;

/** How a build may print a secret. */
const prints: readonly (readonly [string, (secret: string) => string])[] = [
  ["as it is", (text) => text],
  ["in base64", (text) => Buffer.from(text).toString("base64")],
  ["in base64 behind one byte", (text) => Buffer.from(`u${text}`).toString("base64")],
  ["in base64 behind a name of two bytes", (text) => Buffer.from(`u:${text}@`).toString("base64")],
  ["in base64 for addresses", (text) => Buffer.from(`xy:${text}`).toString("base64url")],
  [
    "in base64 of 76 columns",
    (text) =>
      (
        Buffer.from(text)
          .toString("base64")
          .match(/.{1,20}/g) ?? []
      ).join("\n"),
  ],
  ["in hex", (text) => Buffer.from(text).toString("hex")],
  ["in capital hex", (text) => Buffer.from(text).toString("hex").toUpperCase()],
  ["in an address", (text) => encodeURIComponent(text)],
  ["in a form", (text) => new URLSearchParams({ password: text }).toString()],
  ["in JSON", (text) => JSON.stringify({ password: text })],
  ["in JSON inside of JSON", (text) => JSON.stringify(JSON.stringify({ password: text }))],
  [
    "in ASCII JSON",
    (text) => JSON.stringify(text).replaceAll(/[^\0-\x7f]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`),
  ],
];

/** Runs of the secret's signs that no form of it may leave behind. */
function leaks(told: string, printed: string): readonly string[] {
  const flat = told.replaceAll(/\s/g, "");
  const runs: string[] = [];
  for (let at = 0; at + 9 <= printed.length; at += 1) {
    const run = printed.slice(at, at + 9);
    if (flat.includes(run)) runs.push(run);
  }
  return runs;
}

describe("K2 a secret is struck out", () => {
  test.for(prints)("%s", ([, print]) => {
    const printed = print(secret);
    const told = createRedactor(["other-secret", secret]).text(`before ${printed} after`);
    expect(told).toContain("***");
    const body = printed.replaceAll(/\s/g, "").replace(/^[^a-zA-Z0-9%\\]*(?:\\*"?password\\*"?[:=]\\*"?)?/, "");
    expect(leaks(told, body)).toEqual([]);
    expect(told.startsWith("before ")).toBe(true);
    expect(told.endsWith(" after")).toBe(true);
  });

  test.for(prints)("%s, wherever the text is cut", ([, print]) => {
    const text = `before ${print(secret)} after\n`;
    const redactor = createRedactor([secret]);
    const whole = redactor.stream();
    const expected = whole.push(text) + whole.end();
    expect(expected).toContain("***");
    for (let cut = 0; cut <= text.length; cut += 1) {
      const stream = redactor.stream();
      expect(stream.push(text.slice(0, cut)) + stream.push(text.slice(cut)) + stream.end()).toBe(expected);
    }
    const letters = redactor.stream();
    expect([...text].map((letter) => letters.push(letter)).join("") + letters.end()).toBe(expected);
  });

  const keyLines = pem.trim().split("\n").slice(1, -1);

  test("a private key of many lines, indented, one line after another", () => {
    const stream = createRedactor([pem]).stream();
    const told =
      pem
        .split("\n")
        .map((line) => stream.push(`    ${line}\n`))
        .join("") + stream.end();
    for (const line of keyLines) expect(told).not.toContain(line);
  });

  test("a private key as one line of an environment file", () => {
    const told = createRedactor([pem]).text(`KEY="${pem.replaceAll("\n", "\\n")}"`);
    for (const line of keyLines) expect(told).not.toContain(line);
    expect(told).toMatch(/^KEY="\*{3}.{0,5}"$/);
  });

  test("a private key that nobody told of", () => {
    expect(createRedactor([]).text(`x ${pem.trim()} y`)).toBe("x *** y");
  });
});

describe("K2 what has the form of a credential is struck out", () => {
  const jwt = `${"eyJhbGciOiJSUzI1NiJ9"}.${"a-_Z9".repeat(60)}.${"x-_4".repeat(40)}`;
  test.for([
    ["an installation's token", `token ghs_${"a1B2".repeat(9)} end`, "token *** end"],
    ["an installation's token of 2026", `x ghs_123456_${jwt} end`, "x *** end"],
    ["a user's token", `ghu_${"a1B2".repeat(9)}`, "***"],
    ["a token that the end of a line cut", "x ghs_a1B2…", "x ***…"],
    ["a fine-grained token", `github_pat_${"11AB_c".repeat(13)}.`, "***."],
    ["a header", "> Authorization: Basic dXNlcjpwYXNz\n> Accept: */*", "> Authorization: Basic ***\n> Accept: */*"],
    ["a header in JSON", '{"authorization":"Bearer abc.def","x":1}', '{"authorization":"Bearer ***","x":1}'],
    ["a registry's header", "X-Registry-Auth: eyJ1c2VybmFtZSI6ImEifQ==", "X-Registry-Auth: ***"],
    ["a bearer", "curl -H 'bearer abcdefghijklmnop12'", "curl -H 'bearer ***'"],
    ["a password in an address", "fetch https://user:pa%40ss@host/x and", "fetch https://***@host/x and"],
    ["a database's address", "postgres://app:secret@db:5432/app", "postgres://***@db:5432/app"],
  ] as const)("%s", ([, text, told]) => {
    expect(createRedactor([]).text(text)).toBe(told);
  });

  test.for([
    "nothing to hide: https://github.com/openfaas/of-builder@v1, user@host:path",
    "ghs and gh_x, github_pat is a prefix",
    "basic usage: bearer of news",
    "time 12:30 mail a@b.c http://localhost:8080/@scope/name",
  ])("%s stays", (text) => {
    expect(createRedactor(["hunter2-secret"]).text(text)).toBe(text);
    const stream = createRedactor(["hunter2-secret"]).stream();
    expect(stream.push(text) + stream.end()).toBe(text);
  });
});

test("values that begin with one another, or that one text holds overlapping, are all struck out", () => {
  const redactor = createRedactor(["abcdef", "abcdefghij", "ijklmnop"]);
  for (const cut of [3, 6, 8, 10, 12]) {
    const stream = redactor.stream();
    const text = "<abcdefghijklmnop>";
    expect(stream.push(text.slice(0, cut)) + stream.push(text.slice(cut)) + stream.end()).toBe("<***>");
  }
});

test("a value of fewer than six characters is none", () => {
  expect(createRedactor(["", "true", "12345"]).text("true 12345")).toBe("true 12345");
});

test("whatever is printed around it and however it is cut, no secret of a hundred comes through", () => {
  const { next } = createRandom(7);
  const random = (below: number) => Math.floor(next() * below);
  const word = (length: number) => Array.from({ length }, () => "abcAB/+=\n"[random(9)]).join("");
  for (let round = 0; round < 200; round += 1) {
    const values = Array.from({ length: 100 }, () => word(8 + random(30)).trim());
    const text = Array.from({ length: 20 }, () => (random(2) ? word(random(20)) : values[random(100)])).join("");
    const stream = createRedactor(values).stream();
    let told = "";
    for (let at = 0; at < text.length; ) {
      const end = at + 1 + random(40);
      told += stream.push(text.slice(at, end));
      at = end;
    }
    told += stream.end();
    const flat = told.replaceAll(/[\r\n]/g, "");
    const long = values.map((value) => value.replaceAll(/[\r\n]/g, "")).filter(({ length }) => length >= 6);
    expect(long.filter((value) => flat.includes(value))).toEqual([]);
  }
});
