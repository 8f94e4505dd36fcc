/**
 * Where templates come from. A source is written `URL` or `URL#REF`, REF being a branch, a tag, or a commit as
 * `sha-HEX`, which is faas-cli's way. A language may be written `NAME@REF` as well.
 */

/** The folder of a language's template, and the branch or tag after the @; "" where there is none. */
export function parseLang(lang: string): { readonly folder: string; readonly ref: string } {
  const at = lang.indexOf("@");
  return at < 0 ? { folder: lang, ref: "" } : { folder: lang.slice(0, at), ref: lang.slice(at + 1) };
}

/**
 * The source at which a language's REF is meant.
 * @returns undefined where the source names another one
 */
export function sourceAt(source: string, ref: string): string | undefined {
  const { base, fragment } = splitSource(source);
  if (ref === "" || fragment === ref) return source;
  return fragment === "" ? `${base}#${ref}` : undefined;
}

/** The source at one commit, for ever. */
export function pinnedSource(source: string, commit: string): string {
  return `${splitSource(source).base}#sha-${commit}`;
}

/**
 * Creates the rule that says which sources a stranger's stack may name.
 * @param patterns sources in which `*` stands for any text without `/`. One without `#` allows the repository's
 *   branches and tags, but no commit: hosts such as GitHub serve the commits of anybody's fork under the address of
 *   the repository that was forked. One with `#` is held against the whole source.
 */
export function createSourceRule(patterns: readonly string[]): (source: string) => boolean {
  const rules = patterns.map(splitSource).map(({ base, fragment }) => ({
    base: globExpression(plainAddress(base) ?? base),
    fragment: fragment === "" ? undefined : globExpression(fragment),
  }));
  return (source) => {
    const { base, fragment } = splitSource(source);
    const address = plainAddress(base);
    if (address === undefined) return false;
    return rules.some(
      (rule) => rule.base.test(address) && (rule.fragment ? rule.fragment.test(fragment) : !isCommit(fragment)),
    );
  };
}

function splitSource(source: string): { base: string; fragment: string } {
  const hash = source.indexOf("#");
  return hash < 0 ? { base: source, fragment: "" } : { base: source.slice(0, hash), fragment: source.slice(hash + 1) };
}

/** One spelling for each address: `..` resolved, host in lower case, neither `.git` nor `/` last. */
function plainAddress(base: string): string | undefined {
  const url = URL.parse(base);
  if (!url || url.host === "" || url.username !== "" || url.password !== "" || url.search !== "") return undefined;
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "").replace(/\.git$/, "")}`;
}

function globExpression(glob: string): RegExp {
  const parts = glob.split(/\*+/).map((part) => part.replaceAll(/[\\^$.+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}$`);
}

function isCommit(fragment: string): boolean {
  return /^(?:sha-.*|[0-9a-f]{40}|[0-9a-f]{64})$/i.test(decoded(fragment));
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return fragment;
  }
}
