import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createGatheredHash } from "../../src/contexts/gathered-hash.ts";

const piece = 1024 * 1024;
const bytes = Buffer.alloc(2.5 * piece, "of-builder, ");

function sha256(data: Buffer): Buffer {
  return createHash("sha256").update(data).digest();
}

const expected = sha256(
  Buffer.concat([0, piece, 2 * piece].map((from) => sha256(bytes.subarray(from, from + piece)))),
).toString("hex");

test.for([1, 4096, 65_537, piece, 2 * piece])("is the same, however many bytes come at once: %i", async (step) => {
  const gathered = createGatheredHash();
  for (let from = 0; from < bytes.length; ) {
    const copied = bytes.copy(gathered.room(), 0, from, Math.min(from + step, bytes.length));
    gathered.taken(copied);
    from += copied;
  }
  expect(await gathered.digest()).toBe(expected);
});

test.for([1000, piece, 3 * piece])("is the same of texts of %i characters", async (step) => {
  const gathered = createGatheredHash();
  const text = bytes.toString();
  for (let from = 0; from < text.length; from += step) gathered.addText(text.slice(from, from + step));
  expect(await gathered.digest()).toBe(expected);
});

test("has room again at once, and asks to be waited for once it has fallen behind", async () => {
  const gathered = createGatheredHash();
  for (let count = 1; count <= 4; count++) {
    expect(gathered.behind()).toBeUndefined();
    gathered.taken(gathered.room().length);
    expect(gathered.room()).toHaveLength(piece);
  }
  await expect(gathered.behind()).resolves.toBeDefined();
  expect(gathered.behind()).toBeUndefined();
  await gathered.digest();
});
