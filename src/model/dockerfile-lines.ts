/*
 * A Dockerfile's text as BuildKit's parser cuts it up (frontend/dockerfile/parser), for those whose lines go on behind a
 * backslash: one that stands last, with no other before it. Lines are joined without a blank between them; comments and
 * empty lines in between fall away. Lines of a here-document are the content of its instruction.
 */

const goesOn = /(^|[^\\])\\[ \t]*$/;
const withDocument = /^\s*(?:ONBUILD\s+)?(?:ADD|COPY|RUN)\s/i;
/** A word that begins a here-document, as far as this is sure about its name. */
const documentWord = /(?:^|\s)\d*<<(-?)(["']?)([A-Za-z_][\w.-]*)\2(?=\s|$)/g;

/**
 * The instructions of a Dockerfile, each on one line, here-documents left out.
 * @returns undefined in their place from where on it is not sure what is an instruction
 */
export function* readLines(text: string): Generator<string | undefined> {
  const lines = text.split("\n").map(withoutReturns);
  for (let at = 0; at < lines.length; ) {
    const { line, next } = joinFrom(lines, at);
    at = next;
    if (line !== "") yield line;
    const documents = documentsOf(line);
    if (documents === undefined) yield undefined;
    for (const document of documents ?? []) {
      const end = endOf(document, lines, at);
      if (end === undefined) yield undefined;
      at = (end ?? lines.length) + 1;
    }
  }
}

/** By hand, as a pattern would look at each of a million of them as the first. */
function withoutReturns(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end -= 1;
  return line.slice(0, end);
}

/** The instruction that begins at a line, and the line behind it; "" where none does. */
function joinFrom(lines: readonly string[], first: number): { line: string; next: number } {
  const parts: string[] = [];
  for (let at = first; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const isLeftOut = /^\s*#/.test(line) || (at > first && line.trim() === "");
    if (isLeftOut && at > first) continue;
    const part = isLeftOut ? "" : line;
    parts.push(part.replace(goesOn, "$1"));
    if (!goesOn.test(part)) return { line: parts.join("").trim(), next: at + 1 };
  }
  return { line: parts.join("").trim(), next: lines.length };
}

interface HereDocument {
  readonly name: string;
  readonly isIndented: boolean;
}

/** The here-documents that begin on a line; undefined where quoting or an unusual name leaves that open. */
function documentsOf(line: string): readonly HereDocument[] | undefined {
  if (!line.includes("<<") || !withDocument.test(line)) return [];
  const found = [...line.matchAll(documentWord)].map(([, dash, , name = ""]) => ({ name, isIndented: dash === "-" }));
  const others = line.replaceAll(documentWord, " ");
  const isClear = !/(?:^|\s)\d*<<-?[^<\s]/.test(others) && (found.length === 0 || !/["'`\\]|\$[({]/.test(others));
  return isClear ? found : undefined;
}

function endOf({ name, isIndented }: HereDocument, lines: readonly string[], from: number): number | undefined {
  for (let at = from; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if ((isIndented ? line.replace(/^\t+/, "") : line) === name) return at;
  }
  return undefined;
}

const quoted = /"((?:\\.|[^"\\])*)(?:"|$)|'((?:\\.|[^'\\])*)(?:'|$)|\\(.?)/gs;

/**
 * The flags that stand before an instruction's other words: quotes and backslashes of theirs are gone.
 * @returns also the rest, as it is
 */
export function splitFlags(text: string): { readonly flags: readonly string[]; readonly rest: string } {
  const flags: string[] = [];
  let rest = text.trim();
  while (rest.startsWith("--")) {
    const [word = ""] = /^(?:"(?:\\.|[^"\\])*(?:"|$)|'(?:\\.|[^'\\])*(?:'|$)|\\.|[^\s"'])+/s.exec(rest) ?? [];
    rest = rest.slice(word.length).trimStart();
    if (word === "--") break;
    flags.push(word.replaceAll(quoted, (_, ...texts) => texts.slice(0, 3).join("").replaceAll(/\\(.)/gs, "$1")));
  }
  return { flags, rest };
}
