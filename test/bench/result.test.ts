import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { createRow, drawTable, writeResult } from "../../bench/result.ts";

const compared = {
  ours: { median: 5.23456, min: 4, max: 12.5 },
  peer: { median: 5, min: 4.5, max: 6 },
  ratio: 1.046912,
};
const rows = [
  createRow("20 functions, cold", compared, { unit: "s", bar: 1.2 }),
  createRow("warm", { ...compared, ratio: 1.21 }, { unit: "s", bar: 1.2 }),
];

test("a row holds up to its bar and not beyond", () => {
  expect(rows.map(({ holds }) => holds)).toEqual([true, false]);
  expect(createRow("even", { ...compared, ratio: 1.2 }, { unit: "s", bar: 1.2 }).holds).toBe(true);
});

test("the table is aligned", () => {
  expect(drawTable(rows)).toBe(
    [
      "                      ours     (min–max)    peer    (min–max)  ratio     bar",
      "20 functions, cold  5.23 s  (4.00–12.50)  5.00 s  (4.50–6.00)   1.05  ≤ 1.20   holds",
      "warm                5.23 s  (4.00–12.50)  5.00 s  (4.50–6.00)   1.21  ≤ 1.20  MISSED",
      "",
    ].join("\n"),
  );
});

test("the file has the date, the machine and every row by its numbers", async () => {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-bench-test-"));
  try {
    const url = pathToFileURL(`${folder}/results/`);
    await writeResult("push", rows, { folder: url, now: new Date("2026-11-22T12:00:00Z") });
    const written = JSON.parse(await readFile(new URL("push.json", url), "utf8"));
    expect(Object.keys(written)).toEqual(["date", "machine", "rows"]);
    expect(written.date).toBe("2026-11-22T12:00:00.000Z");
    expect(written.machine).toContain(`Node ${process.versions.node}`);
    expect(written.rows[0]).toEqual({
      what: "20 functions, cold",
      ours: 5.235,
      peer: 5,
      unit: "s",
      ratio: 1.047,
      bar: 1.2,
      holds: true,
      spread: { ours: [4, 12.5], peer: [4.5, 6] },
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
