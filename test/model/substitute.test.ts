import { expect, test, vi } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { substitute } from "../../src/model/substitute.ts";
import { createLimit } from "../../src/pipeline/limit.ts";
import { createRandom } from "../random.ts";
import { faasCli, substituteWith } from "./faas-cli.ts";

/** A busy machine takes its time. */
vi.setConfig({ testTimeout: 60_000 });

const variables = { A: "alpha", E: "", V: "p/q/file.tar.gz", N: "école", S: "a[b]c*d?e" };
const run = (text: string) => {
  const { text: made, failure } = substitute(text, variables, "stack.yml");
  if (failure) throw failure;
  return made;
};

test.for([
  ["${A}", "alpha"],
  ["${U}", ""],
  ["$A", "$A"],
  ["${U:-d}", "d"],
  ["${U:=d}", "d"],
  ["${U=d}", "d"],
  ["${U:?d}", "d"],
  ["${U:+alt}", "alt"],
  ["${A:+alt}", "alpha"],
  ["${E:-d}", "d"],
  ["$${A}", "${A}"],
  ["$$A", "$A"],
  ["$$${A}", "$alpha"],
  ["\\\\", "\\"],
  ["\\/", "/"],
  ["\\n", "\\n"],
  ["${U:-${A}}", "alpha"],
  ["${A^}", "Alpha"],
  ["${A^^}", "ALPHA"],
  ["${A,}", "alpha"],
  ["${A,,}", "alpha"],
  ["${#A}", "5"],
  ["${A:0:2}", "al"],
  ["${A:1}", "lpha"],
  ["${A:2:-1}", "ph"],
  ["${A: -2}", "alpha"],
  ["${A:x}", "alpha"],
  ["${A:-2}", "alpha"],
  ["${A:1:99}", "lpha"],
  ["${A:9}", ""],
  ["${A/l/L}", "aLpha"],
  ["${A//a/X}", "XlphX"],
  ["${A/#a/X}", "Xlpha"],
  ["${A/%a/X}", "alphX"],
  ["${A/a/}", "lpha"],
  ["${A/#a/}", "alpha"],
  ["${V/\\//+}", "p+q/file.tar.gz"],
  ["${V##*/}", "file.tar.gz"],
  ["${V#*/}", "q/file.tar.gz"],
  ["${V%%.*}", "p/q/file"],
  ["${V%.gz}", "p/q/file.tar"],
  ["${V#p/}", "q/file.tar.gz"],
  ["${A#[^b]l}", "pha"],
  ["${A#*}", "lpha"],
  ["${S#a\\[}", "b]c*d?e"],
  ["${A%[h-z]a}", "alpha"],
  ["${U:-$$}", "$$"],
  ["${U:-a${A}b${V}}", "aalphabp/q/file.tar.gz"],
  ["${#N}", "6"],
  ["${N^}", "École"],
  ["${N:0:2}", "é"],
  ["a ${A} b ${U:-c}\n# ${A}", "a alpha b c\n# alpha"],
])("%s becomes %j", ([text = "", result]) => {
  expect(run(text)).toBe(result);
});

test.for([
  ["${U-d}", "missing closing brace"],
  ["${U?d}", "missing closing brace"],
  ["${U+d}", "missing closing brace"],
  ["${A.B}", "missing closing brace"],
  ["${A", "missing closing brace"],
  ["${}", "unable to parse variable name"],
  ["${", "unable to parse variable name"],
  ["${A/a}", "bad substitution"],
  ["${A^^^}", "bad substitution"],
  ["${#}", "bad substitution"],
  ["${A#}", "unable to parse substitution within function"],
  ["${U:-", "unable to parse substitution within function"],
] as const)("%s is an error: %s", ([text, message]) => {
  expect(() => run(`ok\n${text}`)).toThrow(
    expect.objectContaining({
      message: expect.stringContaining(message),
      location: { path: "stack.yml", line: 2, column: 1 },
    }),
  );
});

test("S6 only the given variables are seen", () => {
  expect(run("${PATH}${HOME}${constructor}${__proto__}")).toBe("");
});

test("S6 fifty-one expressions inside each other are refused", () => {
  expect(() => run(`${"${U:-".repeat(51)}${"}".repeat(51)}`)).toThrow("inside each other");
});

test("all expressions without meaning are told at once, each with its line", () => {
  const text = "a: ${A.B}\nb: ${A}\nc: x ${}\n";
  const thrown = catching(() => run(text));
  expect(thrown?.message).toBe('stack.yml line 1: "${A.B}": missing closing brace (and 1 more)');
  expect(thrown?.faults.map(({ excerpt }) => excerpt)).toEqual(["1 | a: ${A.B}\n  |    ^", "3 | c: x ${}\n  |      ^"]);
});

test("an expression without meaning on a line of comment stays, with a warning", () => {
  const { text, warnings } = substitute("  # ${bad-x} ${A}\na: ${A}\n", variables, "stack.yml");
  expect(text).toBe("  # ${bad-x} alpha\na: alpha\n");
  expect(warnings).toMatchObject([{ location: { line: 1, column: 5 } }]);
});

test("a negative length, at which faas-cli panics, counts from the end; a cut character falls away", () => {
  expect([run("${A:2:-1}"), run("${A:3:-4}"), run("${N:0:1}"), run("${N:1}")]).toEqual(["ph", "", "", "cole"]);
});

test("S6 text that grows beyond 4 MiB is refused", () => {
  const long = { A: "a".repeat(3000) };
  const nested = "${A//a/${A//a/${A}}}";
  expect(substitute(nested, long, "stack.yml").failure?.message).toContain("makes too much text");
});

test("S6 patterns and hundreds of thousands of faults take no time to speak of", () => {
  const long = { A: "a".repeat(3000) };
  expect(substitute(`\${A##${"*a".repeat(100)}*b}`, long, "stack.yml").text).toBe(long.A);
  expect(() => run("#${\n".repeat(200_000))).toThrow("more)");
  expect(() => run("${U:-".repeat(100_000))).toThrow("more)");
});

/** What faas-cli makes of the same text; where there is one it is asked. */
test("random texts become what faas-cli makes of them, and are refused where it refuses them", {
  timeout: 120_000,
}, async () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const lines = randomLines(seed, 300);
  const meant = lines.map((line) => ({ line, text: textOrNothing(line) })).filter(({ text }) => text !== undefined);
  const refused = lines.filter((line) => textOrNothing(line) === undefined);
  expect(meant.length, `seed ${seed}`).toBeGreaterThan(50);
  expect(refused.length, `seed ${seed}`).toBeGreaterThan(50);
  if (faasCli === "") return;
  const real = await substituteWith(faasCli, { lines: meant.map(({ line }) => line), variables });
  for (const [at, { line, text }] of meant.entries()) expect(real[at], `seed ${seed}: ${line}`).toBe(text);
  // One wrong line fails a whole file, so each is asked for by itself.
  const limit = createLimit(4);
  const answers = refused.map((line) => limit(() => substituteWith(faasCli, { lines: [line], variables })));
  for (const [at, { status }] of (await Promise.allSettled(answers)).entries()) {
    expect(status, `seed ${seed}: ${refused[at]}`).toBe("rejected");
  }
});

test("the two places in which we read what faas-cli does not: a negative length, and a letter of several bytes behind a colon", async () => {
  const lines = ["${A:2:-1}", "${A:é}"];
  expect(lines.map(textOrNothing)).toEqual(["ph", "alpha"]);
  if (faasCli === "") return;
  for (const line of lines) await expect(substituteWith(faasCli, { lines: [line], variables }), line).rejects.toThrow();
});

test("what was made tells where it was written", () => {
  const written = "a ${A}b $$c ${U}${E}d \\\\ ${bad\n# ${bad-x} e";
  const at = (text: string) => written.indexOf(text);
  const commented = `# ${written.replaceAll("\n", " ")}`;
  const { text, writtenAt } = substitute(commented, variables, "stack.yml");
  expect(text).toBe("# a alphab $c d \\ ${bad # ${bad-x} e");
  const places = ["a ", "alpha", "b ", "$c", "c ", "d ", " ${bad #", "# ${", "e"].map((part) => {
    const from = text.indexOf(part, 2);
    return commented.slice(writtenAt(from), writtenAt(from) + 4);
  });
  expect(at("a")).toBe(0);
  expect(places).toEqual(["a ${", "${A}", "b $$", "$$c ", "c ${", "d \\\\", " ${b", "# ${", "e"]);
  expect(writtenAt(text.length)).toBe(commented.length);
});

function textOrNothing(line: string): string | undefined {
  return catching(() => run(`<${line}>`)) ? undefined : run(line);
}

function catching(work: () => unknown): BuilderError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(BuilderError);
    return error as BuilderError;
  }
}

/** Lines of expressions, right and wrong, without those in which we go other ways. */
function randomLines(seed: number, count: number): string[] {
  const random = createRandom(seed).next;
  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? "";
  const many = (most: number, make: () => string) => Array.from({ length: Math.floor(random() * most) }, make).join("");
  const operators = ["", ":-", ":=", "=", ":+", "^", "^^", ",", "#", "##", "%", "%%", "/", "//", "/#", "/%", ":", "-"];
  const pieces = [
    "a",
    "l",
    "*",
    "?",
    "/",
    "p/",
    ".gz",
    "[a-l]",
    "[^a]",
    "1",
    "2",
    " ",
    ":",
    "$",
    "$$",
    "\\\\",
    "é",
    "x",
    "[",
  ];
  const piece = (depth: number) => (depth < 3 && random() < 0.15 ? expression(depth + 1) : pick(pieces));
  const expression = (depth: number): string => {
    const name = (random() < 0.1 ? "#" : "") + pick(["A", "E", "U", "V", "S", "N"]);
    const other = random() < 0.25 ? `/${many(2, () => piece(depth))}` : "";
    return `\${${name}${pick(operators)}${many(4, () => piece(depth))}${other}}`;
  };
  const lines = Array.from(
    { length: count },
    () => many(3, () => pick(pieces)) + expression(0) + many(3, () => piece(0)),
  );
  // There a character of several bytes may be cut in two, and one behind a colon is misread.
  return lines.filter((line) => !/N[:#%]|:é|:\s*-\d/.test(line));
}
