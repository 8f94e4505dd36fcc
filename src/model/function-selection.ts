import { BuilderError, messageOf } from "../errors.ts";

/** Which functions of a stack are meant, as faas-cli's options of these names say it; "" and absent = all. */
export interface Selection {
  /** `*` stands for any text. */
  readonly filter?: string | undefined;
  /** Go's (RE2's) rules, found anywhere in the name. */
  readonly regex?: string | undefined;
}

/**
 * Picks functions by their names.
 * @throws BuilderError `usage` for both at once, for a pattern that RE2 does not know, and where none is left
 */
export async function selectFunctions<T extends { readonly name: string }>(
  functions: readonly T[],
  { filter = "", regex = "" }: Selection,
): Promise<readonly T[]> {
  if (filter === "" && regex === "") return functions;
  if (filter !== "" && regex !== "") throw new BuilderError("usage", "pass in a regex or a filter, not both");
  const test = regex === "" ? (name: string) => matchesGlob(filter, name) : await regexTest(regex);
  const selected = functions.filter(({ name }) => test(name));
  if (selected.length > 0) return selected;
  throw new BuilderError("usage", "no functions matching --filter/--regex were found in the YAML file", {
    fix: `Name one of: ${functions.map(({ name }) => name).join(", ")}.`,
  });
}

/** JavaScript's own expressions know back-references and take other time than RE2's: the same pattern could mean more. */
async function regexTest(regex: string): Promise<(name: string) => boolean> {
  const { RE2JS } = await import("re2js");
  try {
    const pattern = RE2JS.compile(regex);
    return (name) => pattern.matcher(name).find();
  } catch (cause) {
    const reason = messageOf(cause);
    const sentence = reason.includes("error parsing regexp") ? reason : `error parsing regexp: ${reason}`;
    throw new BuilderError("usage", `--regex "${regex}": ${sentence}`, {
      cause,
      fix: "Write it by RE2's rules: https://github.com/google/re2/wiki/Syntax.",
    });
  }
}

/** The pieces between stars, each found as early as possible; the last one ends the name. */
function matchesGlob(glob: string, name: string): boolean {
  const [first = "", ...pieces] = glob.split("*");
  const last = pieces.pop();
  if (last === undefined) return name === glob;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
