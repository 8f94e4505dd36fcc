import type { Fault, Location } from "../errors.ts";
import { knownFields } from "./known-keys.ts";
import { readYaml } from "./yaml.ts";
import { textList, type YamlValue } from "./yaml-value.ts";

/** What a template says of itself in its template.yml. */
export interface Template {
  /** Folder of the handler inside the template, default `function`. */
  readonly handlerFolder: string;
  /** Where it says so. */
  readonly handlerFolderLocation?: Location;
  /** The process that the watchdog starts, for functions that name none; "" = what the image says. */
  readonly fprocess: string;
  /** Package groups by name, for `build_options`. */
  readonly buildOptions: ReadonlyMap<string, readonly string[]>;
  /** What is most likely a mistake, but does not keep it from being read. */
  readonly warnings: readonly Fault[];
}

/** The keys that faas-cli reads. */
const keys = ["language", "fprocess", "build_options", "welcome_message", "handler_folder", "mount_ssh"];

/**
 * Parses a template.yml.
 * @param file its path, as it shall stand in faults
 * @throws BuilderError `stack_invalid` with every fault of it
 */
export function parseTemplate(text: string, file: string): Template {
  const { value, warnings } = readYaml(text, file, readTemplate);
  return { ...value, warnings };
}

function readTemplate(root: YamlValue): Omit<Template, "warnings"> {
  const fields = knownFields(root, keys);
  const options = (fields.get("build_options")?.items() ?? []).map((option) => {
    const group = knownFields(option, ["name", "packages"]);
    return [group.get("name")?.text() ?? "", textList(group.get("packages"))] as const;
  });
  const folder = fields.get("handler_folder");
  return {
    handlerFolder: folder?.text() || "function",
    ...(folder && { handlerFolderLocation: folder.location }),
    fprocess: fields.get("fprocess")?.text() ?? "",
    buildOptions: new Map(options),
  };
}

/**
 * The packages that chosen build options add up to, in the form of the build argument ADDITIONAL_PACKAGE:
 * without doubles, sorted, joined by spaces. faas-cli always sets the argument, possibly to "".
 * @param existing the argument as the stack or the command line gives it
 * @returns the value, and the options that the template does not have
 */
export function additionalPackages<Option extends { readonly name: string }>(
  template: Template,
  options: readonly Option[],
  existing: string,
): { value: string; unknown: readonly Option[] } {
  const packages = new Set(existing.split(" ").filter((word) => word !== ""));
  for (const option of options) {
    for (const name of template.buildOptions.get(option.name) ?? []) packages.add(name);
  }
  const unknown = options.filter(({ name }) => !template.buildOptions.has(name));
  return { value: [...packages].sort().join(" "), unknown };
}
