/** What a registry wants to see, from the header WWW-Authenticate of its 401. */
export type Challenge =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: string; readonly service: string; readonly scope: string };

/**
 * Parses WWW-Authenticate (RFC 9110, 11.6.1): schemes with parameters `name=value` or `name="value"`, several of them
 * in one header parted by commas. Bearer is preferred, as Docker does.
 * @returns undefined when it offers nothing that we know
 */
export function parseChallenge(header: string): Challenge | undefined {
  const bearer = /(?:^|[\s,])bearer\s+(.*)$/i.exec(header)?.[1];
  if (bearer !== undefined) {
    const { realm = "", service = "", scope = "" } = parametersOf(bearer);
    if (realm !== "") return { scheme: "bearer", realm, service, scope };
  }
  return /(?:^|[\s,])basic(?:\s|,|$)/i.test(header) ? { scheme: "basic" } : undefined;
}

function parametersOf(text: string): Record<string, string | undefined> {
  const found = text.matchAll(/([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g);
  const pairs = [...found].map(([, name = "", quoted, plain = ""]): [string, string] => [
    name.toLowerCase(),
    quoted === undefined ? plain : quoted.replaceAll(/\\(.)/g, "$1"),
  ]);
  // The first of a name counts: what follows belongs to the next scheme.
  return Object.fromEntries(pairs.reverse());
}
