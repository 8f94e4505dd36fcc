import { expect, test } from "vitest";
import { createLiveBlock } from "../../src/cli/progress-block.ts";

function createRecorded(columns: () => number = () => 80) {
  const writes: string[] = [];
  return { writes, block: createLiveBlock({ write: (text) => writes.push(text), columns }) };
}

test("a frame is one write: up to the first line, every line cleared to its end, then what lies below", () => {
  const { writes, block } = createRecorded();
  block.draw(["one", "two"]);
  block.draw(["one"], ["above"]);
  block.close();
  expect(writes).toEqual([
    "\x1b[?25l\x1b[?2026hone\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[?2026l",
    "\x1b[?2026h\x1b[2A\rabove\x1b[K\none\x1b[K\n\x1b[J\x1b[?2026l",
    "\x1b[?25h",
  ]);
});

test("nothing is written where nothing changed", () => {
  const { writes, block } = createRecorded();
  block.draw(["one"]);
  block.draw(["one"]);
  expect(writes).toHaveLength(1);
});

test("a window made narrower has wrapped the old lines, and they are all drawn over", () => {
  let columns = 80;
  const { writes, block } = createRecorded(() => columns);
  block.draw([`\x1b[1m${"x".repeat(70)}\x1b[22m`, "", "short"]);
  columns = 20;
  block.draw(["now"]);
  expect(writes[1]).toContain("\x1b[6A");
});

test("a block that never drew leaves the cursor alone", () => {
  const { writes, block } = createRecorded();
  block.close();
  expect(writes).toEqual([]);
});
