import { type Document, Lexer, LineCounter, type Node, parseDocument, visit } from "yaml";
import { BuilderError, type Fault, type Location } from "../errors.ts";
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
/** Go's decoder, which reads YAML 1.1, ends a line at these; YAML 1.2 takes them for letters. Neither is what people mean. */
const oldLineEnd = /\r(?!\n)|[\u0085\u2028\u2029]/;

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
  const findings = createFindings(typeof text === "string" ? text : text.written);
  const value = read(parseInto(findings, text, file));
  findings.check();
  return { value, warnings: findings.warnings };
}

/**
 * Reads a YAML text as readYaml does, for a caller that looks for further faults of its own.
 * @returns the faults as an error, beside what could be read; `value` absent where the text is no YAML. A text that
 *   could not be read is `unreadText`
 */
export function tryReadYaml<T>(
  text: string | MadeText,
  file: string,
  read: (root: YamlValue) => T,
): { value?: T; failure?: BuilderError; warnings: readonly Fault[] } {
  const findings = createFindings(typeof text === "string" ? text : text.written);
  let value: { value?: T } = {};
  try {
    value = { value: read(parseInto(findings, text, file)) };
  } catch (error) {
    if (!(error instanceof BuilderError)) throw error;
  }
  const failure = findings.failure();
  return { ...value, ...(failure && { failure }), warnings: findings.warnings };
}

function parseInto(findings: Findings, text: string | MadeText, file: string): YamlValue {
  return parse(typeof text === "string" ? asWritten(text) : text, file, { findings, ofValues: findings });
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
  checkDirectives(text, placeOf, findings);
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
  const control = forbidden.exec(text);
  if (control)
    findings.fault(`control characters are not allowed: found ${codeOf(control[0])}`, placeOf(control.index));
  const end = oldLineEnd.exec(text);
  if (end) findings.fault(`lines end in LF, or CR LF: found ${codeOf(end[0])}`, placeOf(end.index));
}

function codeOf(sign: string): string {
  return `U+${sign.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** What stands before the document, in lines that begin with %. Go's decoder knows %YAML 1.1 and %TAG. */
function checkDirectives(text: string, placeOf: (offset: number) => Location, findings: Findings): void {
  const [head] = /^\ufeff?(?:[ \t]*(?:#.*)?\r?\n|%.*\r?\n)*/.exec(text) ?? [""];
  let versions = 0;
  for (const { 0: line, index } of head.matchAll(/^%.*$/gm)) {
    if (/^%TAG\s/.test(line) || (/^%YAML\s+1\.1\s*(?:#.*)?$/.test(line) && versions++ === 0)) continue;
    const shown = JSON.stringify(line.trim().slice(0, 60));
    findings.fault(`directive ${shown} is not known: expected %YAML 1.1 once, or %TAG`, placeOf(index));
  }
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
