import { parseYaml } from "./yaml.ts";

/** What a template says of itself in its template.yml. */
export interface Template {
  /** Folder of the handler inside the template, default `function`. */
  readonly handlerFolder: string;
  /** Package groups by name, for `build_options`. */
  readonly buildOptions: ReadonlyMap<string, readonly string[]>;
}

/**
 * Parses a template.yml.
 * @throws BuilderError `stack_invalid` with its line
 */
export function parseTemplate(text: string, file: string): Template {
  const fields = parseYaml(text, file).fields();
  const options = (fields.get("build_options")?.items() ?? []).map((option) => {
    const { name, packages } = Object.fromEntries(option.fields());
    return [name?.text() ?? "", (packages?.items() ?? []).map((item) => item.text())] as const;
  });
  return { handlerFolder: fields.get("handler_folder")?.text() || "function", buildOptions: new Map(options) };
}

/**
 * The packages that chosen build options add up to, in the form of the build argument ADDITIONAL_PACKAGE:
 * without doubles, sorted, joined by spaces. faas-cli always sets the argument, possibly to "".
 * @param existing the argument as the stack gives it
 * @returns the value, or the name of an option that the template does not have
 */
export function additionalPackages(
  template: Template,
  options: readonly string[],
  existing: string,
): { value: string } | { unknown: string } {
  const packages = new Set(existing.split(" ").filter((word) => word !== ""));
  for (const option of options) {
    const group = template.buildOptions.get(option);
    if (!group) return { unknown: option };
    for (const name of group) packages.add(name);
  }
  return { value: [...packages].sort().join(" ") };
}
