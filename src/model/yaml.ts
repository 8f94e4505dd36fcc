import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from "yaml";
import { BuilderError, type Location } from "../errors.ts";

/**
 * Reads a person's YAML as Go's decoder reads it into strings: a scalar keeps its source text (`1.10`, `0123`, `yes`),
 * `~`, `null` and nothing are "", unknown keys are nobody's business. Every value knows its line, so that every fault
 * can be shown where it stands. Hostile text is the normal case: size, depth and aliases are bounded.
 */
export interface YamlValue {
  readonly location: Location;
  /** True for `~`, `null`, an empty value or an absent document. */
  readonly isNull: boolean;
  /** The text of a scalar. */
  text(): string;
  /** YAML 1.1's words for yes and no, unquoted. */
  flag(): boolean;
  /** The values of a list; none for null. */
  items(): readonly YamlValue[];
  /** The values of a map by their keys, merges (`<<`) applied; none for null. */
  fields(): ReadonlyMap<string, YamlValue>;
  /** An error about this value. */
  fault(message: string): BuilderError;
}

const maxBytes = 1024 * 1024;
const maxFields = 10_000;
/** Each look-up of an alias walks the document. */
const maxAliases = 1000;
const maxMerges = 20;

/**
 * Parses the first document of a text.
 * @param file its path, as it shall stand in errors
 * @throws BuilderError `stack_invalid` with the line of the first fault
 */
export function parseYaml(text: string, file: string): YamlValue {
  if (Buffer.byteLength(text) > maxBytes) {
    throw new BuilderError("stack_invalid", `${file} is larger than 1 MiB`, { location: { path: file, line: 1 } });
  }
  const lines = new LineCounter();
  const document = parseBounded(text, file, lines);
  const fault = document.errors.find((error) => error.code !== "MULTIPLE_DOCS");
  if (fault) {
    const [sentence = ""] = fault.message.split(" at line ");
    const { line, col } = fault.linePos?.[0] ?? { line: 1, col: 1 };
    const location = { path: file, line, column: col };
    throw new BuilderError("stack_invalid", `${file} line ${line}: ${sentence}`, { cause: fault, location });
  }
  checkAliases(document, file);
  return readValue({ document, file, lines, merges: 0 }, document.contents);
}

/** The texts of a map by their keys; none for null. A record without prototype: `__proto__` is a key like any other. */
export function textMap(map: YamlValue | undefined): Readonly<Record<string, string>> {
  const record: Record<string, string> = Object.create(null);
  for (const [key, value] of map?.fields() ?? []) record[key] = value.text();
  return record;
}

function parseBounded(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    return parseDocument(text, { schema: "failsafe", merge: true, uniqueKeys: true, lineCounter, prettyErrors: true });
  } catch (cause) {
    // Thousands of brackets inside each other end the parser's stack.
    throw new BuilderError("stack_invalid", `${file} is nested too deeply`, {
      cause,
      location: { path: file, line: 1 },
    });
  }
}

function checkAliases(document: Document.Parsed, file: string): void {
  let aliases = 0;
  visit(document, { Alias: () => (++aliases > maxAliases ? visit.BREAK : undefined) });
  if (aliases > maxAliases) {
    throw new BuilderError("stack_invalid", `${file} has more than ${maxAliases} aliases`, {
      location: { path: file, line: 1 },
    });
  }
}

interface Source {
  readonly document: Document.Parsed;
  readonly file: string;
  readonly lines: LineCounter;
  /** How many merges lead here: a map may name itself. */
  readonly merges: number;
}

function readValue(source: Source, given: unknown, nearby?: unknown): YamlValue {
  const node = isAlias(given) ? given.resolve(source.document) : given;
  const location = locate(source, given ?? nearby);
  const fault = (message: string) =>
    new BuilderError("stack_invalid", `${source.file} line ${location.line}: ${message}`, { location });
  const isNull = isNullNode(node);
  return {
    location,
    isNull,
    fault,
    text() {
      if (isNull) return "";
      if (!isScalar(node)) throw fault(`expected a text, found ${kindOf(node)}`);
      return String(node.value);
    },
    flag() {
      const word = isScalar(node) && node.type === "PLAIN" ? words.get(String(node.value).toLowerCase()) : undefined;
      if (word === undefined) throw fault(`expected true or false, found ${kindOf(node)}`);
      return word;
    },
    items() {
      if (isNull) return [];
      if (!isSeq(node)) throw fault(`expected a list, found ${kindOf(node)}`);
      return node.items.map((item) => readValue(source, item, node));
    },
    fields() {
      if (isNull) return new Map();
      if (!isMap(node)) throw fault(`expected a map, found ${kindOf(node)}`);
      if (source.merges > maxMerges) throw fault(`more than ${maxMerges} merges inside each other`);
      const fields = new Map<string, YamlValue>();
      collectFields(source, node.items, fields);
      if (fields.size > maxFields) throw fault(`more than ${maxFields} keys`);
      return fields;
    },
  };
}

const words = new Map([
  ...["true", "yes", "on", "y"].map((word) => [word, true] as const),
  ...["false", "no", "off", "n"].map((word) => [word, false] as const),
]);

/** A key of the map itself wins over a merged one, an earlier merge over a later one. */
function collectFields(source: Source, pairs: readonly Pair[], fields: Map<string, YamlValue>): void {
  const merges: unknown[] = [];
  for (const { key, value } of pairs) {
    if (isScalar(key) && typeof key.value === "symbol") merges.push(value);
    else fields.set(readValue(source, key).text(), readValue(source, value, key));
  }
  for (const merge of merges.flatMap((value) => (isSeq(value) ? value.items : [value]))) {
    const merged = readValue({ ...source, merges: source.merges + 1 }, merge).fields();
    for (const [key, value] of merged) if (!fields.has(key)) fields.set(key, value);
  }
}

function isNullNode(node: unknown): boolean {
  if (node === null || node === undefined) return true;
  return isScalar(node) && node.type === "PLAIN" && ["", "~", "null", "Null", "NULL"].includes(String(node.value));
}

function kindOf(node: unknown): string {
  if (isMap(node)) return "a map";
  if (isSeq(node)) return "a list";
  return isScalar(node) ? `"${String(node.value).slice(0, 60)}"` : "nothing";
}

function locate({ file, lines }: Source, node: unknown): Location {
  const offset = (node as Node | undefined)?.range?.[0] ?? 0;
  const { line, col } = lines.linePos(offset);
  return { path: file, line: Math.max(line, 1), column: Math.max(col, 1) };
}
