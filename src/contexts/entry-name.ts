import { isUtf8 } from "node:buffer";

/**
 * The readable form of a name or path that a disk or an archive holds as bytes: the text itself where it is UTF-8,
 * else each byte above 127 as U+FFFD and its two hex digits, so that different bytes stay different.
 */
export function readableName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  return bytes
    .toString("latin1")
    .replaceAll(/[\x80-\xff]/g, (byte) => `\ufffd${byte.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** A name as it may stand in a message: quoted, control characters escaped, at most 200 characters. */
export function quoteName(name: string): string {
  const shown = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return JSON.stringify(shown).replaceAll(
    /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** True for a relative path in its only spelling: no empty part, no "." and no "..". */
export function isCleanPath(path: string): boolean {
  return path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
