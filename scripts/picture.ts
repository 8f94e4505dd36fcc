import { readFile, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { readScreen } from "./picture-screen.ts";
import { drawSvg } from "./picture-svg.ts";

const usage = `usage: node scripts/picture.ts IN OUT.svg [--title TEXT] [--columns N]

Draws what a terminal shows after the text of IN ("-" = standard input) was printed on it, as a picture for README:
  script -qec "npm run demo" demo.txt && node scripts/picture.ts demo.txt docs/demo.svg --title "npm run demo"
`;
/** What `script` writes around the text that it records. */
const recorder = /^Script started on .*\r?\n|\r?\n?Script done on .*\s*$/g;

const { values, positionals } = parseArgs({
  options: { title: { type: "string", default: "of-builder" }, columns: { type: "string", default: "120" } },
  allowPositionals: true,
});
const [input, output] = positionals;
const columns = Number(values.columns);
if (input === undefined || output === undefined || positionals.length > 2 || !(columns >= 20 && columns <= 400)) {
  process.stderr.write(usage);
  process.exitCode = 2;
} else {
  const captured = input === "-" ? await text(process.stdin) : await readFile(input, "utf8");
  const rows = readScreen(captured.replaceAll(recorder, ""), columns);
  await writeFile(output, drawSvg(rows, { columns, title: values.title }));
}
