import { isMap, isScalar, isSeq, type Node, type Pair, type Scalar } from "yaml";
import type { ErrorCode, Location } from "../errors.ts";
import { type Findings, unreadText } from "./faults.ts";
import { nullWords, tagFault } from "./yaml-tag.ts";

/**
 * One value of a YAML document. A value of the wrong kind is put down as a fault and reads as nothing, so that the
 * reader goes on to the next.
 */
export interface YamlValue {
  readonly location: Location;
  /** Where its key stands; its own place where it has none. */
  readonly keyLocation: Location;
  /** True for `~`, `null`, an empty value or an absent document. */
  readonly isNull: boolean;
  readonly isMap: boolean;
  /** The text of a scalar; `unreadText` of anything else, which is a fault. */
  text(): string;
  /** YAML 1.1's words for yes and no. As in Go, `true` and `false` count unquoted only, the others always. */
  flag(): boolean;
  /** The values of a list, null ones left out as Go does; none for null. */
  items(): readonly YamlValue[];
  /** The values of a map by their keys, merges (`<<`) applied; none for null. */
  fields(): ReadonlyMap<string, YamlValue>;
  /** Puts down a fault of this value. */
  fault(message: string, options?: { code?: ErrorCode; rank?: number; at?: Location }): void;
  /** Puts down what is most likely a mistake. */
  warn(message: string, options?: { at?: Location }): void;
}

/** A document that is being read, and how much of it has been; aliases can make little text stand for very much. */
export interface YamlSource {
  readonly targets: ReadonlyMap<unknown, Node>;
  readonly findings: Findings;
  placeOf(offset: number): Location;
  /** How much more may be read. */
  readonly left: { nodes: number; characters: number };
}

const maxMerges = 20;

interface Place {
  readonly key?: unknown;
  /** Where a value stands that takes no room itself. */
  readonly nearby?: unknown;
  /** How many merges lead here. */
  readonly merges?: number;
}

/** Creates the value of a node, which may be an alias. */
export function createYamlValue(given: unknown, source: YamlSource, place: Place = {}): YamlValue {
  const node = source.targets.get(given) ?? given;
  const location = locate(source, given ?? place.key ?? place.nearby);
  const keyLocation = place.key === undefined ? location : locate(source, place.key);
  const isNull = isNullNode(node);
  const fault: YamlValue["fault"] = (message, { at = location, ...options } = {}) =>
    source.findings.fault(message, at, options);
  spend(source, location, { nodes: 1 });

  const name = isScalar(place.key) ? `${String(place.key.value).slice(0, 60)}: ` : "";
  const wrongKind = (expected: string) => fault(`${name}expected ${expected}, found ${kindOf(node)}`);
  return {
    location,
    keyLocation,
    isNull,
    isMap: isMap(node),
    fault,
    warn: (message, { at = location } = {}) => source.findings.warn(message, at),
    text() {
      if (isNull) return "";
      if (!isScalar(node)) {
        wrongKind("a text");
        return unreadText;
      }
      const text = textOf(node);
      const wrongTag = tagFault(node);
      if (wrongTag !== undefined) fault(`${name}${wrongTag}`);
      spend(source, location, { characters: text.length });
      return text;
    },
    flag() {
      if (isNull) return false;
      const flag = isScalar(node) ? flagOf(node) : undefined;
      if (flag === undefined) wrongKind("true or false");
      return flag ?? false;
    },
    items() {
      if (!isNull && !isSeq(node)) wrongKind("a list");
      const items = isSeq(node) ? node.items : [];
      return items.map((item) => createYamlValue(item, source, { nearby: node })).filter((item) => !item.isNull);
    },
    fields() {
      if (!isNull && !isMap(node)) wrongKind("a map");
      return isMap(node) ? readFields(node.items, source, { location, merges: place.merges ?? 0 }) : new Map();
    },
  };
}

/** The texts of a map by their keys; none for null. A record without prototype: `__proto__` is a key like any other. */
export function textMap(map: YamlValue | undefined): Readonly<Record<string, string>> {
  const record: Record<string, string> = Object.create(null);
  for (const [key, value] of map?.fields() ?? []) record[key] = value.text();
  return record;
}

/** The texts of a list; none for null. */
export function textList(list: YamlValue | undefined): readonly string[] {
  return (list?.items() ?? []).map((item) => item.text());
}

/** A key of the map itself wins over a merged one, an earlier merge over a later one. */
function readFields(
  pairs: readonly Pair[],
  source: YamlSource,
  { location, merges }: { location: Location; merges: number },
): ReadonlyMap<string, YamlValue> {
  const fields = new Map<string, YamlValue>();
  if (merges > maxMerges) {
    source.findings.fault(`more than ${maxMerges} merges inside each other`, location);
    return fields;
  }
  for (const pair of pairs) if (!isMergeKey(pair.key)) addField(fields, pair, source);
  for (const value of mergedMaps(pairs, source)) {
    const others = createYamlValue(value, source, { merges: merges + 1 }).fields();
    for (const [key, other] of others) if (!fields.has(key)) fields.set(key, other);
  }
  return fields;
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && typeof key.value === "symbol";
}

/** As in Go the list of several maps stands here itself: an alias of one is a fault. */
function mergedMaps(pairs: readonly Pair[], source: YamlSource): readonly unknown[] {
  const [merge, second] = pairs.filter(({ key }) => isMergeKey(key));
  if (!merge) return [];
  const { key, value } = merge;
  if (second) {
    const { line } = locate(source, key);
    const message = `mapping key "<<" already defined at line ${line}: expected one, with a list of what is merged`;
    source.findings.fault(message, locate(source, second.key));
  }
  return (isSeq(value) ? value.items : [value]).filter((given) => {
    const node = source.targets.get(given) ?? given;
    if (isMap(node)) return true;
    const found = isSeq(node) && node !== given ? "the alias of a list" : kindOf(node);
    source.findings.fault(`<<: expected a map, or a list of maps, found ${found}`, locate(source, given ?? key));
    return false;
  });
}

function addField(
  fields: Map<string, YamlValue>,
  { key, value }: { key: unknown; value: unknown },
  source: YamlSource,
) {
  const name = createYamlValue(key, source, { nearby: value });
  const text = name.text();
  const other = fields.get(text);
  if (other) name.fault(`mapping key ${shown(text)} already defined at line ${other.keyLocation.line}`);
  else fields.set(text, createYamlValue(value, source, { key }));
}

/** A tag such as `!!float` makes something else of the text, of which the source counts; `!!binary` makes bytes. */
function textOf({ value, source }: { value: unknown; source?: string }): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return typeof value === "string" ? value : (source ?? String(value));
}

const plainWords = new Map([
  ...["true", "True", "TRUE"].map((word) => [word, true] as const),
  ...["false", "False", "FALSE"].map((word) => [word, false] as const),
]);
const words = new Map([
  ...["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "off", "Off", "OFF"].map((word) => [word, false] as const),
]);

function flagOf(node: Scalar): boolean | undefined {
  const text = textOf(node);
  if (tagFault(node) !== undefined) return undefined;
  const isBool = node.tag === undefined ? node.type === "PLAIN" : node.tag === "tag:yaml.org,2002:bool";
  return (isBool ? plainWords.get(text) : undefined) ?? words.get(text);
}

function isNullNode(node: unknown): boolean {
  if (node === null || node === undefined) return true;
  if (!isScalar(node)) return false;
  if (node.tag === "tag:yaml.org,2002:null") return tagFault(node) === undefined;
  return node.type === "PLAIN" && node.tag === undefined && nullWords.has(String(node.value));
}

function kindOf(node: unknown): string {
  if (isMap(node)) return "a map";
  if (isSeq(node)) return "a list";
  return isScalar(node) ? shown(textOf(node)) : "nothing";
}

/** The start of a text in quotes, on one line. */
function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}

function locate(source: YamlSource, node: unknown): Location {
  return source.placeOf((node as Node | undefined)?.range?.[0] ?? 0);
}

function spend({ left, findings }: YamlSource, location: Location, { nodes = 0, characters = 0 }): void {
  left.nodes -= nodes;
  left.characters -= characters;
  if (left.nodes >= 0 && left.characters >= 0) return;
  findings.fault("the file says more than is read of one, what its aliases stand for counted each time", location);
  findings.check();
}
