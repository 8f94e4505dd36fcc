import type { YamlValue } from "./yaml-value.ts";

/**
 * The values of a map whose keys are known. Unknown ones are ignored, as faas-cli does; one that looks like a misspelt
 * known key is a warning, since what it says is ignored too.
 */
export function knownFields(
  map: YamlValue | undefined,
  keys: readonly string[],
): { get(key: string): YamlValue | undefined } {
  const fields = map?.fields() ?? new Map<string, YamlValue>();
  for (const [key, value] of fields) {
    const meant = keys.includes(key) ? undefined : nearestWord(key, keys);
    if (meant === undefined) continue;
    value.warn(`unknown key ${JSON.stringify(key)} is ignored: did you mean "${meant}"?`, { at: value.keyLocation });
  }
  return fields;
}

/** The word that somebody most likely meant; undefined where none is near. */
export function nearestWord(word: string, words: readonly string[]): string | undefined {
  const given = word.toLowerCase();
  if (given.length < 3 || given.length > 60) return undefined;
  const reach = given.length < 5 ? 1 : 2;
  const near = words.map((candidate) => ({ candidate, edits: countEdits(given, candidate.toLowerCase()) }));
  return near.filter(({ edits }) => edits <= reach).sort((a, b) => a.edits - b.edits)[0]?.candidate;
}

/** Letters put in, left out, replaced, or exchanged with their neighbour (optimal string alignment). */
function countEdits(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= from.length; row++) {
    rows.push([row]);
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwap = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      rows[row]?.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (isSame ? 0 : 1),
          isSwap ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(from.length, to.length);
}
