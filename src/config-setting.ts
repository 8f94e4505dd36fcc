/** One setting, as the table of all of them has it. */
export interface Setting<T> {
  /** The names under which it may be given, the first found wins. */
  readonly names: readonly string[];
  /** The text that stands for a setting that is not given; "" = none. */
  readonly fallback:
    | string
    | { readonly shown: string; of(given: Readonly<Record<string, string | undefined>>): string };
  readonly help: string;
  parse(text: string, given: Readonly<Record<string, string | undefined>>): T;
}

/** Writes a row of the table. */
export function setting<T>(names: readonly string[], rest: Omit<Setting<T>, "names">): Setting<T> {
  return { names, ...rest };
}
