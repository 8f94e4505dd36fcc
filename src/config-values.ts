/** How the values of settings are read. Each throws an Error that says what was expected. */

export function text(value: string): string {
  return value;
}

export function optional<T>(parse: (value: string) => T): (value: string) => T | undefined {
  return (value) => (value === "" ? undefined : parse(value));
}

export function list(value: string): readonly string[] {
  return value
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** GLOB or GLOB=ENVIRONMENT. */
export function branchRules(value: string): readonly { readonly glob: string; readonly environment: string }[] {
  return list(value).map((word) => {
    const [, glob = "", environment = ""] = /^([^\s=]+)(?:=([A-Za-z0-9][A-Za-z0-9_.-]{0,63}))?$/.exec(word) ?? [];
    if (glob === "") throw new Error(`expected BRANCH or BRANCH=ENVIRONMENT, found "${word}"`);
    return { glob, environment };
  });
}

/** A duration as Go writes it, such as 90s, 2m or 1h30m. @returns milliseconds */
export function duration(value: string): number {
  const parts = [...value.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|s|m|h)/g)];
  if (value !== "0" && (parts.length === 0 || parts.map(([part]) => part).join("") !== value)) {
    throw new Error("expected a duration such as 90s, 2m or 1h30m");
  }
  return parts.reduce((sum, [, number, unit = ""]) => sum + Number(number) * (unitMs[unit] ?? 0), 0);
}

/** A duration; a plain number counts milliseconds, as a setting's earlier form has it. */
export function durationOrMs(value: string): number {
  return /^\d+$/.test(value) ? count(value) : duration(value);
}

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

export function imagePatterns(value: string): readonly string[] {
  const patterns = list(value);
  const wrong = patterns.find((pattern) => !/^(?:\*|[^\s/*]+\/[^\s*]*\*?)$/.test(pattern));
  if (wrong === undefined) return patterns;
  throw new Error(`"${wrong}" is no pattern: expected HOST/REPOSITORY, HOST/PATH/* or *`);
}

export function variables(
  value: string,
  given: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const entries = list(value).map((word) => {
    const [, name = "", , own] = /^([A-Za-z_][A-Za-z0-9_]*)(=(.*))?$/s.exec(word) ?? [];
    if (name === "") throw new Error(`expected NAME or NAME=VALUE, found "${word}"`);
    return [name, own ?? given[name] ?? ""] as const;
  });
  return Object.fromEntries(entries);
}

/** Go's words for a bool, which OpenFaaS's settings take. */
export function flag(value: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(value)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(value)) return false;
  throw new Error("expected true or false");
}

/** true = json, the form that came last. */
export function legacyForm(value: string): "text" | "json" | undefined {
  if (value === "text" || value === "json") return value;
  return flag(value) ? "json" : undefined;
}

export function count(value: string): number {
  if (!/^[0-9]{1,15}$/.test(value)) throw new Error("expected a whole number");
  return Number(value);
}

/** How many may have a place at once; 0 = any number. */
export function places(value: string): number {
  return count(value) || Number.POSITIVE_INFINITY;
}

export function portNumber(value: string): number {
  const port = count(value);
  if (port > 65_535) throw new Error("expected a port from 0 to 65535");
  return port;
}

export function url(...protocols: readonly string[]): (value: string) => string {
  return (value) => {
    if (!URL.canParse(value) || !protocols.includes(new URL(value).protocol)) {
      throw new Error(
        `expected an address that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`,
      );
    }
    return value;
  };
}

/** Several of them, separated by commas. */
export function urls(...protocols: readonly string[]): (value: string) => string {
  const parse = url(...protocols);
  return (value) => list(value).map(parse).join(",");
}

export function oneOf<Word extends string>(...words: readonly Word[]): (value: string) => Word {
  return (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new Error(`expected one of ${words.join(", ")}`);
    return word;
  };
}
