import { type Document, Lexer, LineCounter, type Node, parseDocument, visit } from "yaml";
import type { Fault, Location } from "../errors.ts";
import { createFindings, type Findings } from "./faults.ts";
import { createYamlValue, type YamlValue } from "./yaml-value.ts";

/*
 * YAML as Go's decoder reads it into strings: the first document, a scalar keeps its source text (`1.10`, `0123`,
 * `yes`), `~`, `null` and nothing are "", unknown keys are nobody's business. Every value knows its place, so that every
 * fault can be shown where it stands. Hostile text is the normal case: size, depth, aliases and what they expand to are
 * bounded, and nothing takes longer than in proportion to that.
 */

const maxBytes = 1024 * 1024;
/** Signs and words of YAML. A thousand functions of twenty lines have 160 000; parsing takes its time for each. */
const maxLexemes = 250_000;
const maxAliases = 1000;
/** How often values may be read, each alias of them anew. */
const maxNodes = 100_000;
/** What aliases may add to the text. */
const maxAliasCharacters = 512 * 1024;
/** What Go's decoder refuses: it reads no control characters, and no halves of characters. */
const forbidden = /[\p{Cc}--[\t\n\r\u0085]]|[\p{Cs}\ufffe\uffff]/v;

/** A text that was made of another one, which people know: faults show the places and lines of that. */
export interface MadeText {
  readonly text: string;
  /** The one that a person wrote. */
  readonly written: string;
  /** Where in that one stands what an offset of the made one comes from. */
  writtenAt(offset: number): number;
}

/** A text that is read as it was written. */
export function asWritten(text: string): MadeText {
  return { text, written: text, writtenAt: (offset) => offset };
}

/**
 * Reads a YAML text, and goes on after a fault, so that all are found at once.
 * @param file its path, as it shall stand in errors
 * @param read makes what the caller needs of the values
 * @throws BuilderError `stack_invalid` with every fault and its place
 */
export function readYaml<T>(
  text: string | MadeText,
  file: string,
  read: (root: YamlValue) => T,
): { value: T; warnings: readonly Fault[] } {
  const made = typeof text === "string" ? asWritten(text) : text;
  const findings = createFindings(made.written);
  const value = read(parse(made, file, { findings, ofValues: findings }));
  findings.check();
  return { value, warnings: findings.warnings };
}

/**
 * Parses a YAML text. The values throw at the first fault.
 * @param file its path, as it shall stand in errors
 * @throws BuilderError `stack_invalid` with its place
 */
export function parseYaml(text: string, file: string): YamlValue {
  const findings = createFindings(text);
  const strict: Findings = {
    ...findings,
    fault(...found) {
      findings.fault(...found);
      findings.check();
    },
  };
  return parse(asWritten(text), file, { findings, ofValues: strict });
}

function parse(
  made: MadeText,
  file: string,
  { findings, ofValues }: { findings: Findings; ofValues: Findings },
): YamlValue {
  const { text } = made;
  const top = { path: file, line: 1, column: 1 };
  const placeOf = createPlaces(made, file);
  checkCharacters(text, placeOf, findings);
  if (Buffer.byteLength(text) > maxBytes) findings.fault("the file is larger than 1 MiB", top);
  else if (countLexemes(text) > maxLexemes) findings.fault(`the file has more than ${maxLexemes} words and signs`, top);
  findings.check();
  const document = parseBounded(text, { findings, top });
  checkSyntax(document, placeOf, findings);
  const targets = linkAliases(document, placeOf, { findings, top });
  findings.check();
  const left = { nodes: maxNodes, characters: text.length + maxAliasCharacters };
  return createYamlValue(document.contents, { targets, findings: ofValues, placeOf, left });
}

/** Places of the written text by offsets of the made one. */
function createPlaces({ written, writtenAt }: MadeText, file: string): (offset: number) => Location {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (const { index } of written.matchAll(/\n/g)) lines.addNewLine(index + 1);
  return (offset) => {
    const { line, col } = lines.linePos(writtenAt(offset));
    return { path: file, line, column: col };
  };
}

function countLexemes(text: string): number {
  let count = 0;
  for (const _ of new Lexer().lex(text)) if (++count > maxLexemes) break;
  return count;
}

function checkCharacters(text: string, placeOf: (offset: number) => Location, findings: Findings): void {
  const found = forbidden.exec(text);
  if (!found) return;
  const sign = found[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
  findings.fault(`control characters are not allowed: found U+${sign}`, placeOf(found.index));
}

interface Reporting {
  readonly findings: Findings;
  readonly top: Location;
}

function parseBounded(text: string, { findings, top }: Reporting): Document.Parsed {
  try {
    // Its own test for keys that stand twice takes time in the square of their number.
    return parseDocument(text, {
      schema: "failsafe",
      merge: true,
      uniqueKeys: false,
      prettyErrors: false,
    });
  } catch (cause) {
    // Thousands of brackets inside each other end the parser's stack.
    findings.fault("the file is nested too deeply", top);
    findings.check();
    throw cause;
  }
}

/** One fault a line: a parser that has lost its way finds more of them than there are. */
function checkSyntax(document: Document.Parsed, placeOf: (offset: number) => Location, findings: Findings): void {
  const seen = new Set<number>();
  for (const error of document.errors) {
    const place = placeOf(error.pos[0]);
    if (error.code === "MULTIPLE_DOCS" || seen.has(place.line)) continue;
    seen.add(place.line);
    findings.fault(/call stack/.test(error.message) ? "the file is nested too deeply" : error.message, place);
  }
}

/** What each alias stands for, found in one walk. An alias inside of what it stands for has no end. */
function linkAliases(
  document: Document.Parsed,
  placeOf: (offset: number) => Location,
  { findings, top }: Reporting,
): ReadonlyMap<unknown, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<unknown, Node>();
  visit(document, {
    Value: (_key, node) => void (node.anchor && anchors.set(node.anchor, node)),
    Alias: (_key, node, path) => {
      const target = anchors.get(node.source);
      const name = `"${node.source.slice(0, 60)}"`;
      const place = placeOf(node.range?.[0] ?? 0);
      if (!target) findings.fault(`unknown anchor ${name} referenced`, place);
      else if (path.includes(target)) findings.fault(`anchor ${name} value contains itself`, place);
      else targets.set(node, target);
      return targets.size > maxAliases ? visit.BREAK : undefined;
    },
  });
  if (targets.size > maxAliases) findings.fault(`the file has more than ${maxAliases} aliases`, top);
  return targets;
}
