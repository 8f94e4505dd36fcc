import { describe, expect, test } from "vitest";
import { readScreen } from "../../scripts/picture-screen.ts";
import { drawSvg } from "../../scripts/picture-svg.ts";

/** The rows as plain text, each sign in its column. */
function textOf(output: string, width = 40): readonly string[] {
  return readScreen(output, width).map((runs) =>
    runs.reduce((line, { column, text }) => line.padEnd(column) + text, ""),
  );
}

describe("what stands on a terminal", () => {
  test.for([
    { name: "lines stand below each other", output: "one\ntwo\r\n\nfour\n\n", rows: ["one", "two", "", "four"] },
    { name: "a return goes back to the begin", output: "10%\r100%\rx", rows: ["x00%"] },
    { name: "a tab goes to the next column of eight", output: "a\tb", rows: ["a       b"] },
    { name: "a long line goes on in the next row", output: "x".repeat(45), rows: ["x".repeat(40), "xxxxx"] },
    { name: "a block is drawn over", output: "a\nbbb\n\x1b[2A\rc\x1b[K\nd\x1b[K\n\x1b[J", rows: ["c", "d"] },
    { name: "what lies below may be cleared", output: "a\nb\nc\n\x1b[2A\x1b[J", rows: ["a"] },
    { name: "the begin of a row may be cleared", output: "abc\x1b[D\x1b[1K", rows: [] },
    { name: "the whole screen may be cleared", output: "a\nb\x1b[2Jc", rows: ["", " c"] },
    { name: "columns may be gone to", output: "abc\x1b[1Gx\x1b[Cy", rows: ["xby"] },
    { name: "what is not known is skipped", output: "\x1b[?25la\x1b]0;title\x07b\x1b(Bc\x07", rows: ["abc"] },
    { name: "wide signs take two columns", output: "日本\rab", rows: ["ab本"] },
  ])("$name", ({ output, rows }) => {
    expect(textOf(output)).toEqual(rows);
  });

  test("styles make runs, and end where they are ended", () => {
    const [row = []] = readScreen(
      "\x1b[1;31mbad\x1b[22m no\x1b[39m \x1b[2mdim\x1b[0m \x1b[92mok\x1b[38;5;12;48;5;1mb",
      40,
    );
    const told = row.map(({ column, text, style: { color, bold, dim } }) => [column, text, color, bold, dim]);
    expect(told).toEqual([
      [0, "bad", 1, true, false],
      [4, "no", 1, false, false],
      [7, "dim", undefined, false, true],
      [11, "ok", 10, false, false],
      [13, "b", 12, false, false],
    ]);
  });
});

describe("the picture", () => {
  const svg = drawSvg(readScreen('\x1b[32m✔\x1b[39m a <b> & "c"\n\n  end', 40), {
    columns: 40,
    title: "npm run <demo>",
  });

  test("has every run at its column, in its width", () => {
    expect(svg).toContain('<text x="18" y="47" class="c2">✔</text>');
    expect(svg).toContain('<text x="33.6" y="47" textLength="85.8">a &lt;b&gt; &amp; &quot;c&quot;</text>');
    expect(svg).toContain('<text x="33.6" y="83" textLength="23.4">end</text>');
    expect(svg).toContain("npm run &lt;demo&gt;");
  });

  test("knows a light and a dark screen, and only the colours that it uses", () => {
    expect(svg).toContain("prefers-color-scheme:dark");
    expect(svg.match(/\.c\d+\{/g)).toEqual([".c2{", ".c2{"]);
  });

  test("takes nothing from elsewhere and runs nothing", () => {
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/script|https?:|url\(|href|@import/);
  });
});
