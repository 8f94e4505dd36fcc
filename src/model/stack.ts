import type { BuilderError, Fault, Location } from "../errors.ts";
import { type Deployment, readDeployment } from "./deployment.ts";
import { unreadText } from "./faults.ts";
import { knownFields } from "./known-keys.ts";
import { platformFault } from "./platform.ts";
import { type MadeText, readYaml, tryReadYaml } from "./yaml.ts";
import { textMap, type YamlValue } from "./yaml-value.ts";

/** One function of a stack. */
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
  readonly buildOptions: readonly BuildOption[];
  /** Paths of files by the ids under which a Dockerfile mounts them as secrets. */
  readonly buildSecrets: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  readonly skipBuild: boolean;
  readonly deployment: Deployment;
  /** Where the function's name stands in the file. */
  readonly location: Location;
  /** Where these values stand, or else its name. */
  readonly langLocation: Location;
  readonly handlerLocation: Location;
  readonly imageLocation: Location;
}

export interface BuildOption {
  readonly name: string;
  readonly location: Location;
}

/** `configuration.templates`: where a language's template comes from; source "" = the installation's own. */
export interface TemplateSource {
  readonly name: string;
  readonly source: string;
  /** Where the source stands, or else the name. */
  readonly location: Location;
}

/** A file or folder that comes to lie beside every handler. */
export interface CopiedPath {
  readonly path: string;
  readonly location: Location;
}

export interface Stack {
  readonly functions: readonly StackFunction[];
  /** `provider.gateway`; "" where there is none. */
  readonly gateway: string;
  readonly templates: readonly TemplateSource[];
  /** `configuration.copy`: extra paths for every templated function. */
  readonly copy: readonly CopiedPath[];
  /** What is most likely a mistake, but does not keep the stack from being read. */
  readonly warnings: readonly Fault[];
}

/** The names a stack file may have, the preferred one first (facts: faas-cli takes stack.yaml before stack.yml). */
export const stackFileNames = ["stack.yaml", "stack.yml"] as const;

/** The keys that faas-cli reads; it ignores all others. */
const keys = {
  root: ["version", "provider", "functions", "configuration"],
  provider: ["name", "gateway"],
  configuration: ["templates", "copy"],
  template: ["name", "source"],
  function: [
    ...["lang", "handler", "image", "skip_build", "build_args", "build_options", "build_secrets", "platforms"],
    ...["fprocess", "namespace", "environment", "environment_file", "secrets", "constraints", "labels", "annotations"],
    ...["limits", "requests", "readonly_root_filesystem"],
  ],
} as const;

const maxFunctions = 1000;
/** Each is kept with each function. */
const maxCopied = 200;
const functionName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const nameRule = "expected at most 63 lower-case letters, digits and dashes, a letter or digit at both ends";

/** The order in which faas-cli looks: values of the wrong kind, provider, version; then what only we look at. */
const ranks = { provider: 1, version: 2, content: 3, name: 4 } as const;

/**
 * Parses a stack file as faas-cli reads it.
 * @param file its path relative to the repository, for errors
 * @throws BuilderError `stack_invalid` or `name_invalid` with every fault of the file
 */
export function parseStack(text: string | MadeText, file: string): Stack {
  const { value, warnings } = readYaml(text, file, readStack);
  return { ...value, warnings };
}

/**
 * Parses a stack file as parseStack does, for a caller that looks for further faults.
 * @returns its faults as an error, beside what could be read. A text that could not be read is `unreadText`
 */
export function tryParseStack(text: string | MadeText, file: string): { stack: Stack; failure?: BuilderError } {
  const { value = unreadStack, failure, warnings } = tryReadYaml(text, file, readStack);
  return { stack: { ...value, warnings }, ...(failure && { failure }) };
}

/** What there is of a file that is no YAML. */
const unreadStack: Omit<Stack, "warnings"> = { functions: [], gateway: "", templates: [], copy: [] };

function readStack(root: YamlValue): Omit<Stack, "warnings"> {
  const top = knownFields(root, keys.root);
  checkVersion(top.get("version"));
  const provider = top.get("provider");
  const providerFields = knownFields(provider, keys.provider);
  checkProvider(providerFields.get("name"), provider ?? root);
  const functions = [...(top.get("functions")?.fields() ?? [])];
  if (functions.length === 0) root.fault('no function is defined below "functions"', { rank: ranks.content });
  if (functions.length > maxFunctions) root.fault(`more than ${maxFunctions} functions`, { rank: ranks.content });
  const configuration = knownFields(top.get("configuration"), keys.configuration);
  return {
    functions: functions.slice(0, maxFunctions).map(([name, value]) => readFunction(name, value)),
    gateway: providerFields.get("gateway")?.text() ?? "",
    templates: (configuration.get("templates")?.items() ?? []).map(readTemplate),
    copy: readCopied(configuration.get("copy")),
  };
}

/** Scripts know the sentences of faas-cli, so they stand in these two. */
function checkVersion(version: YamlValue | undefined): void {
  const text = version?.text() ?? "";
  if (!version || text === "" || text === "1.0") return;
  const rule = `[1.0] are the only valid versions for the stack file - found: ${text.slice(0, 100)}`;
  version.fault(`version ${JSON.stringify(text.slice(0, 100))} is not known: ${rule}`, { rank: ranks.version });
}

function checkProvider(name: YamlValue | undefined, nearby: YamlValue): void {
  const text = name?.text() ?? "";
  if (text === "openfaas") return;
  const rule = `['openfaas'] is the only valid "provider.name" for the OpenFaaS CLI, but you gave: ${text.slice(0, 100)}`;
  (name ?? nearby).fault(`provider.name ${JSON.stringify(text.slice(0, 100))} is not known: ${rule}`, {
    rank: ranks.provider,
  });
}

function readFunction(name: string, value: YamlValue): StackFunction {
  const at = value.keyLocation;
  const isNamed = functionName.test(name);
  if (!isNamed) {
    value.fault(`function name ${JSON.stringify(name)}: ${nameRule}`, { code: "name_invalid", rank: ranks.name, at });
  }
  const fields = knownFields(value, keys.function);
  // Nothing is missing in what is no map, which is a fault already.
  const missing = value.isMap || value.isNull ? "" : unreadText;
  const text = (key: string) => fields.get(key)?.text() ?? missing;
  const lang = text("lang");
  return {
    name,
    lang: /^dockerfile$/i.test(lang) ? "dockerfile" : lang,
    handler: text("handler"),
    // In its place would stand the name, which is a fault already.
    image: text("image") || (isNamed ? "" : unreadText),
    buildArgs: readBuildArgs(fields.get("build_args")),
    buildOptions: (fields.get("build_options")?.items() ?? []).map((item) => ({
      name: item.text(),
      location: item.location,
    })),
    buildSecrets: textMap(fields.get("build_secrets")),
    platforms: readPlatforms(fields.get("platforms")),
    skipBuild: fields.get("skip_build")?.flag() ?? false,
    deployment: readDeployment(fields),
    location: at,
    langLocation: fields.get("lang")?.location ?? at,
    handlerLocation: fields.get("handler")?.location ?? at,
    imageLocation: fields.get("image")?.location ?? at,
  };
}

/**
 * faas-cli splits KEY=VALUE at the first "=", and asks for a key. One with blanks BuildKit can take: `ARG "A B"` names it.
 */
function readBuildArgs(value: YamlValue | undefined): Readonly<Record<string, string>> {
  const buildArgs: Record<string, string> = Object.create(null);
  for (const [key, arg] of value?.fields() ?? []) {
    const at = arg.keyLocation;
    const shown = JSON.stringify(key.slice(0, 100));
    if (key.trim() === "") arg.fault("build-arg must have a non-empty key", { rank: ranks.content, at });
    else if (key.includes("="))
      arg.fault(`build-arg ${shown}: expected a key without "="`, { rank: ranks.content, at });
    buildArgs[key] = arg.text();
  }
  return buildArgs;
}

function readPlatforms(value: YamlValue | undefined): readonly string[] {
  const words = (value?.text() ?? "").split(",").map((word) => word.trim());
  const platforms = words.filter((word) => word !== "");
  for (const sentence of platforms.map(platformFault)) {
    if (sentence !== undefined) value?.fault(sentence, { rank: ranks.content });
  }
  return platforms;
}

function readCopied(value: YamlValue | undefined): readonly CopiedPath[] {
  const items = value?.items() ?? [];
  if (items.length > maxCopied) value?.fault(`more than ${maxCopied} copied paths`, { rank: ranks.content });
  return items.slice(0, maxCopied).map((item) => ({ path: item.text(), location: item.location }));
}

function readTemplate(value: YamlValue): TemplateSource {
  const fields = knownFields(value, keys.template);
  const [name, source] = [fields.get("name"), fields.get("source")];
  return {
    name: name?.text() ?? "",
    source: source?.text() ?? "",
    location: (source ?? name ?? value).location,
  };
}
