/** One template of a template store, as far as finding it goes. */
export interface StoredTemplate {
  readonly template: string;
  /** Address of its repository, `URL` or `URL#REF`. */
  readonly source: string;
  readonly official: boolean;
  readonly recommended: boolean;
}

/**
 * Parses a template store: a JSON list as github.com/openfaas/store publishes it, in which `official` is a text and
 * `recommended` a bool. Entries without a name or source are left out.
 * @returns the templates in faas-cli's order: recommended ones first, then official ones, then by name
 * @throws SyntaxError where it is no list
 */
export function parseTemplateStore(text: string): readonly StoredTemplate[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) throw new SyntaxError("expected a list of templates");
  return list
    .filter((entry): entry is Record<string, unknown> => typeof entry === "object" && entry !== null)
    .filter(({ template, source }) => typeof template === "string" && typeof source === "string" && source !== "")
    .map(({ template, source, official, recommended }) => ({
      template: String(template),
      source: String(source),
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
