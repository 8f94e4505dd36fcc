import { describe, expect, test } from "vitest";
import { createLineJoiner } from "../../src/model/log-lines.ts";

/** The lines of pieces that come one after the other, the last one ended by the end. */
function linesOf(...pieces: readonly string[]): readonly string[] {
  const joiner = createLineJoiner();
  return [...pieces.flatMap((piece) => joiner.push(piece)), ...joiner.end()];
}

describe("lines of a stream", () => {
  test.for([
    { name: "a line may come in pieces", pieces: ["he", "l", "lo\nwor", "ld\n"], lines: ["hello", "world"] },
    { name: "a piece may hold many lines, empty ones too", pieces: ["a\n\nb\n"], lines: ["a", "", "b"] },
    { name: "the last line needs no end", pieces: ["a\nb"], lines: ["a", "b"] },
    { name: "a return lets the rest of the line take the place", pieces: ["1%\r2%\r", "3%\n"], lines: ["3%"] },
    { name: "CR LF is one line end, also between pieces", pieces: ["a\r", "\nb\r\n"], lines: ["a", "b"] },
    { name: "returns alone are no text", pieces: ["a\r\r\r", "\r\n", "\r\r"], lines: ["a", ""] },
    { name: "an escape sequence may come in pieces", pieces: ["\x1b[3", "1mred\x1b", "[0m\n"], lines: ["red"] },
  ])("$name", ({ pieces, lines }) => {
    expect(linesOf(...pieces)).toEqual(lines);
  });

  test("D10 a line of a megabyte is cut, whatever its pieces, and the next one is whole", () => {
    const cut = `${"x".repeat(4096)}…`;
    expect(linesOf(`${"x".repeat(1_000_000)}\nnext\n`)).toEqual([cut, "next"]);
    expect(linesOf(...Array<string>(10_000).fill("x".repeat(100)), "\nnext")).toEqual([cut, "next"]);
  });

  test("D10 a progress bar of a megabyte keeps its last state", () => {
    const bar = Array.from({ length: 100_000 }, (_, at) => `${at} of 100000\r`).join("");
    expect(linesOf(`${bar}done\n`)).toEqual(["done"]);
  });

  test("tells the line that is begun and not ended yet", () => {
    const joiner = createLineJoiner();
    expect(joiner.unfinished()).toBe("");
    joiner.push("10%\r20%\r");
    expect(joiner.unfinished()).toBe("20%");
    joiner.push("done\n");
    expect(joiner.unfinished()).toBe("");
  });
});
