import { BuilderError, type Location } from "../errors.ts";
import { parseYaml, textMap, type YamlValue } from "./yaml.ts";

/** One function of a stack, as far as building it goes. */
export interface StackFunction {
  readonly name: string;
  /** Language of a template, or `dockerfile`. */
  readonly lang: string;
  /** The function's folder, relative to the stack file's. */
  readonly handler: string;
  /** As written; "" where there is none. */
  readonly image: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Names of package groups that the template offers. */
  readonly buildOptions: readonly string[];
  readonly platforms: readonly string[];
  readonly skipBuild: boolean;
  /** Where the function, and where its `lang`, stands in the file. */
  readonly location: Location;
  readonly langLocation: Location;
}

/** `configuration.templates`: where a language's template comes from; source "" = the installation's own. */
export interface TemplateSource {
  readonly name: string;
  readonly source: string;
}

export interface Stack {
  readonly functions: readonly StackFunction[];
  readonly templates: readonly TemplateSource[];
  /** `configuration.copy`: extra paths for every templated function. */
  readonly copy: readonly string[];
}

/** The names a stack file may have, the preferred one first (facts: faas-cli takes stack.yaml before stack.yml). */
export const stackFileNames = ["stack.yaml", "stack.yml"] as const;

const maxFunctions = 1000;
const functionName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/**
 * Parses a stack file as faas-cli reads it; unknown keys are ignored.
 * @param file its path relative to the repository, for errors
 * @throws BuilderError `stack_invalid` or `name_invalid` with the line at fault
 */
export function parseStack(text: string, file: string): Stack {
  const root = parseYaml(text, file);
  const top = root.fields();
  checkVersion(top.get("version"));
  checkProvider(top.get("provider"), root);
  const functions = [...(top.get("functions")?.fields() ?? [])];
  if (functions.length === 0) throw root.fault('no function is defined below "functions"');
  if (functions.length > maxFunctions) throw root.fault(`more than ${maxFunctions} functions`);
  const configuration = top.get("configuration")?.fields();
  return {
    functions: functions.map(([name, value]) => readFunction(name, value)),
    templates: (configuration?.get("templates")?.items() ?? []).map(readTemplate),
    copy: texts(configuration?.get("copy")),
  };
}

function checkVersion(version: YamlValue | undefined): void {
  const text = version?.text() ?? "";
  if (version && text !== "" && text !== "1.0") throw version.fault(`version "${text}" is not known: expected 1.0`);
}

function checkProvider(provider: YamlValue | undefined, root: YamlValue): void {
  const name = provider?.fields().get("name");
  const text = name?.text() ?? "";
  if (text !== "openfaas")
    throw (name ?? provider ?? root).fault(`provider.name "${text}" is not known: expected openfaas`);
}

function readFunction(name: string, value: YamlValue): StackFunction {
  const { location } = value;
  if (!functionName.test(name)) {
    const rule = "expected at most 63 lower-case letters, digits and dashes, a letter or digit at both ends";
    throw new BuilderError("name_invalid", `${location.path} line ${location.line}: function name "${name}": ${rule}`, {
      location,
    });
  }
  const fields = value.fields();
  const text = (key: string) => fields.get(key)?.text() ?? "";
  return {
    name,
    lang: /^dockerfile$/i.test(text("lang")) ? "dockerfile" : text("lang"),
    handler: text("handler"),
    image: text("image"),
    buildArgs: textMap(fields.get("build_args")),
    buildOptions: texts(fields.get("build_options")),
    platforms: text("platforms")
      .split(",")
      .map((word) => word.trim())
      .filter((word) => word !== ""),
    skipBuild: fields.get("skip_build")?.isNull === false && (fields.get("skip_build")?.flag() ?? false),
    location,
    langLocation: fields.get("lang")?.location ?? location,
  };
}

function readTemplate(value: YamlValue): TemplateSource {
  const fields = value.fields();
  return { name: fields.get("name")?.text() ?? "", source: fields.get("source")?.text() ?? "" };
}

function texts(list: YamlValue | undefined): readonly string[] {
  return (list?.items() ?? []).map((item) => item.text());
}
