/** Text as PostgreSQL holds it: every character but NUL, in whole pairs of surrogates. */
export function storable(text: string): string {
  return text.replaceAll("\0", "\u{fffd}").toWellFormed();
}

/** For JSON.stringify: what PostgreSQL shall take apart must hold no text that it cannot hold. */
export function cleaned(_key: string, value: unknown): unknown {
  return typeof value === "string" ? storable(value) : value;
}
