import { describe, expect, test } from "vitest";
import { cleanLine, fitText, padText, textWidth } from "../../src/model/terminal-text.ts";

describe("a line of a stranger's text", () => {
  test.for([
    ["plain text stays", "npm ci", "npm ci"],
    ["colours go", "\x1b[1;31merror\x1b[0m: no", "error: no"],
    ["moves of the cursor go", "a\x1b[2J\x1b[10;3Hb\x1b[1Ac", "abc"],
    ["a window title ended by BEL goes", "\x1b]0;owned\x07text", "text"],
    ["a link ended by ST goes, its text stays", "\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"],
    ["a device string goes", "\x1bP$q q\x1b\\text", "text"],
    ["a title that never ends takes the rest of its line", "text\x1b]0;owned", "text"],
    ["a sequence cut in the middle goes", "text\x1b[31", "text"],
    ["one-byte introducers of C1 go", "a\u009b31mb\u009d0;x\u009cc", "abc"],
    ["short sequences go", "a\x1bcb\x1b(Bc\x1b=d", "abcd"],
    ["NUL, BEL and backspace go", "a\x00b\x07c\x08d", "abcd"],
    ["line ends of other systems go", "a\u2028b\u0085c\r", "abc"],
    ["overrides of the reading direction go", "a\u202eb\u2066c\u200fd", "abcd"],
    ["a tab goes to the next column of eight", "ab\tc\td", "ab      c       d"],
    ["half a surrogate pair becomes a sign for it", "a\ud800b", "a\ufffdb"],
    ["D10 letters of all scripts and emoji stay", "żółć 日本 👩‍👩‍👧", "żółć 日本 👩‍👩‍👧"],
  ])("%s", ([, given, clean]) => {
    expect(cleanLine(given ?? "")).toBe(clean);
  });

  test("D10 nothing that a terminal obeys is left of any control character or sequence", () => {
    const controls = [...Array(160).keys()].filter((code) => code < 32 || code > 126);
    const hostile = controls
      .map((code) => `${String.fromCharCode(code)}[31m${String.fromCharCode(code)}x`)
      .join("\x1b");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(cleanLine(hostile)).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
  });
});

describe("the width of a line", () => {
  test.for([
    ["abc", 3],
    ["żółć", 4],
    ["e\u0301", 1],
    ["日本", 4],
    ["ＡＢ", 4],
    ["한국", 4],
    ["👍", 2],
    ["👩‍👩‍👧", 2],
    ["❤️", 2],
    ["a\u200bb", 2],
    ["⠙ ✔ ✖ …", 7],
  ] as const)("%s takes %i columns", ([text, width]) => {
    expect(textWidth(text)).toBe(width);
  });
});

describe("fitting", () => {
  test.for([
    ["abcdef", 6, "abcdef"],
    ["abcdef", 5, "abcd…"],
    ["abcdef", 1, "…"],
    ["abcdef", 0, ""],
    ["abcdef", -3, ""],
    ["日本語", 5, "日本…"],
    ["日本語", 4, "日…"],
    ["👩‍👩‍👧👩‍👩‍👧", 3, "👩‍👩‍👧…"],
  ] as const)("%s into %i columns gives %s", ([text, columns, fitted]) => {
    expect(fitText(text, columns)).toBe(fitted);
  });

  test("pads by columns, not by letters", () => {
    expect(padText("日本", 6)).toBe("日本  ");
    expect(padText("日本語", 4)).toBe("日… ");
  });
});
