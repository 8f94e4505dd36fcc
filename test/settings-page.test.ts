import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { settingRows } from "../src/config.ts";

test("docs/settings.md shows every setting as the code has it", async () => {
  const rows = settingRows().map(({ names, fallback, help }) => {
    const shown = names.map((name) => `\`${name}\``).join(" or ");
    return `| ${shown} | ${fallback === "" ? "" : `\`${fallback}\``} | ${help.replaceAll("|", "\\|")} |`;
  });
  const page = readFileSync("docs/settings.md", "utf8");
  expect(page.split("\n").filter((line) => line.startsWith("| `"))).toEqual(rows);
});
