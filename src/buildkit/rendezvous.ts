import { createHash } from "node:crypto";

/**
 * Orders names by how much a key belongs to them (rendezvous hashing): the same for everybody who asks, and when a name
 * comes or goes only the keys that belong to it move.
 */
export function orderFor<T>(key: string, items: readonly T[], nameOf: (item: T) => string): readonly T[] {
  const scored = items.map((item) => ({ item, score: scoreOf(key, nameOf(item)) }));
  return scored.sort((left, right) => Buffer.compare(right.score, left.score)).map(({ item }) => item);
}

function scoreOf(key: string, name: string): Buffer {
  return createHash("sha256").update(`${name}\0${key}`).digest();
}
