import { expect, test } from "vitest";
import { excerptOfLines } from "../../src/model/line-excerpt.ts";

const text = `${Array.from({ length: 12 }, (_, at) => `line ${at + 1}`).join("\n")}\n`;
const lastLines = ["   10 | line 10", "   11 | line 11", " > 12 | line 12"];

test.for([
  { where: { line: 1 }, excerpt: [" > 1 | line 1", "   2 | line 2", "   3 | line 3"] },
  {
    where: { line: 5, endLine: 6 },
    excerpt: ["   3 | line 3", "   4 | line 4", " > 5 | line 5", " > 6 | line 6", "   7 | line 7", "   8 | line 8"],
  },
  { where: { line: 12 }, excerpt: lastLines },
  { where: { line: 14 }, excerpt: [""] },
  {
    where: { line: 1, ranges: [{ line: 1 }, { line: 4 }, { line: 11, endLine: 12 }] },
    excerpt: [
      ...[" >  1 | line 1", "    2 | line 2", "    3 | line 3", " >  4 | line 4", "    5 | line 5", "    6 | line 6"],
      ...["   …", "    9 | line 9", "   10 | line 10", " > 11 | line 11", " > 12 | line 12"],
    ],
  },
  { where: { line: 12, ranges: [{ line: 12 }, { line: 2_000_000_000 }] }, excerpt: lastLines },
])("the lines around $where, with the place marked", ({ where, excerpt }) => {
  expect(excerptOfLines(text, where)).toBe(excerpt.join("\n"));
});

test("a long step shows its beginning, a long line its start, and nothing steers the terminal", () => {
  const long = `\x1b[2J${"x".repeat(300)}\n${"more\n".repeat(40)}`;
  const lines = excerptOfLines(long, { line: 1, endLine: 30 }).split("\n");
  expect(lines).toHaveLength(10);
  expect(lines[0]).toMatch(/^ > {2}1 \| x+…$/);
  expect(lines[0]?.length).toBeLessThanOrEqual(100);
  const everywhere = Array.from({ length: 10_000 }, (_, at) => ({ line: 10 * at + 1, endLine: 2 ** 31 }));
  expect(excerptOfLines("x\n".repeat(100_000), { line: 1, ranges: everywhere }).split("\n")).toHaveLength(10);
});
