/** One template of a template store, as far as finding it goes. */
export interface StoredTemplate {
  readonly template: string;
  /** Short name of whoever offers it, such as `openfaas`; "" where it is not said. */
  readonly source: string;
  /** Address of its repository, `URL` or `URL#REF`. */
  readonly repo: string;
  readonly official: boolean;
  readonly recommended: boolean;
}

/**
 * Parses a template store: a JSON list as github.com/openfaas/store publishes it, in which `official` is a text and
 * `recommended` a bool. Entries without a name or repository are left out.
 * @returns recommended templates first, then official ones, then by name
 * @throws SyntaxError where it is no list
 */
export function parseTemplateStore(text: string): readonly StoredTemplate[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) throw new SyntaxError("expected a list of templates");
  return list
    .filter((entry): entry is Record<string, unknown> => typeof entry === "object" && entry !== null)
    .filter(({ template, repo }) => typeof template === "string" && typeof repo === "string" && repo !== "")
    .map(({ template, source, repo, official, recommended }) => ({
      template: String(template),
      source: typeof source === "string" ? source : "",
      repo: String(repo),
      official: official === true || official === "true",
      recommended: recommended === true || recommended === "true",
    }))
    .toSorted(
      (a, b) =>
        Number(b.recommended) - Number(a.recommended) ||
        Number(b.official) - Number(a.official) ||
        (a.template < b.template ? -1 : Number(a.template > b.template)),
    );
}

/** Finds the first template that is meant by `NAME`, or by `SOURCE/NAME`: that source's. */
export function findStored(templates: readonly StoredTemplate[], name: string): StoredTemplate | undefined {
  return templates.find(({ template, source }) => name === template || name === `${source}/${template}`);
}
