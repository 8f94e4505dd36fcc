import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createArchiveFile } from "../../src/contexts/archive-file.ts";
import { createScratch } from "./scratch.ts";

const bytes = randomBytes(3 * 1024 * 1024 + 100);

async function readMember(file: ReturnType<typeof createArchiveFile>, place: { start: number; size: number }) {
  const reader = file.open(place);
  const pieces: Buffer[] = [];
  const piece = Buffer.alloc(1000);
  for (let length = await reader.read(piece); length > 0; length = await reader.read(piece)) {
    pieces.push(Buffer.from(piece.subarray(0, length)));
  }
  await reader.close();
  return Buffer.concat(pieces);
}

test.for([
  ["forwards", [0, 1000, 1024 * 1024 - 10, 1024 * 1024 + 5, 3 * 1024 * 1024]],
  ["backwards", [3 * 1024 * 1024, 2_000_000, 70_000, 0]],
] as const)("members of every size are read %s through the window", async ([, starts]) => {
  await using scratch = await createScratch();
  const path = join(scratch.folder, "archive");
  await writeFile(path, bytes);
  const file = createArchiveFile(path);
  for (const start of starts) {
    for (const size of [0, 1, 100, 64 * 1024, 64 * 1024 + 1]) {
      const expected = bytes.subarray(start, start + size);
      expect((await readMember(file, { start, size })).equals(expected)).toBe(true);
    }
  }
});

test("two members that are read in turn do not disturb each other", async () => {
  await using scratch = await createScratch();
  const path = join(scratch.folder, "archive");
  await writeFile(path, bytes);
  const file = createArchiveFile(path);
  const [one, other] = [file.open({ start: 0, size: 200 }), file.open({ start: 2_000_000, size: 200 })];
  const [first, second] = [Buffer.alloc(200), Buffer.alloc(200)];
  for (const at of [0, 100]) {
    expect(await one.read(first.subarray(at, at + 100))).toBe(100);
    expect(await other.read(second.subarray(at, at + 100))).toBe(100);
  }
  expect(first.equals(bytes.subarray(0, 200))).toBe(true);
  expect(second.equals(bytes.subarray(2_000_000, 2_000_200))).toBe(true);
  expect(await one.read(first)).toBe(0);
});
