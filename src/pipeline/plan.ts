import { BuilderError, type Location } from "../errors.ts";
import { type Context, findEntry, isDirectory, readText } from "../model/context.ts";
import { parseStack, type Stack, type StackFunction, stackFileNames } from "../model/stack.ts";
import { substitute, type Variables } from "../model/substitute.ts";
import { additionalPackages, parseTemplate, type Template } from "../model/template.ts";

/** A tree on this machine's disk: where it lies, and how it is read without leaving it. */
export interface Tree {
  readonly folder: string;
  readonly context: Context;
}

/** What is to be built for one function. Plain JSON: it is stored with the push. */
export interface PlannedFunction {
  readonly name: string;
  readonly image: string;
  /** Where its template comes from; absent for `lang: dockerfile`. */
  readonly template?: TemplateOrigin;
  readonly handler: string;
  readonly handlerFolder: string;
  readonly copy: readonly string[];
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
}

/** `url` absent: the folder `template/LANG` lies in the stack's own tree. */
export interface TemplateOrigin {
  readonly lang: string;
  readonly url?: string;
}

export interface Plan {
  readonly functions: readonly PlannedFunction[];
  /** Functions that the stack itself excludes by `skip_build`. */
  readonly skipped: readonly string[];
}

/** What planning is given: rules of the installation, and the way to a template repository. */
export interface PlanHands {
  /** The stack file, where it is given; else stack.yaml and then stack.yml is looked for in the root of the tree. */
  readonly stackFile?: { readonly file: string; readonly text: string };
  /** What `${NAME}` in a stack file may see; absent: nothing is substituted. */
  readonly variables?: Variables;
  imageOf(definition: StackFunction): string;
  /** True for functions that are wanted; all where absent. */
  wants?(name: string): boolean;
  /** Build arguments for every function; they win over the stack's. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly dockerfileLang: boolean;
  /** Template repositories that every stack may use, searched in this order. */
  readonly templateUrls: readonly string[];
  /** Whether a stack may name this template repository itself. */
  allowsSource(url: string): boolean;
  openTemplates(url: string): Promise<Tree>;
}

const maxStackBytes = 1024 * 1024;
const langName = /^[A-Za-z0-9][A-Za-z0-9_.@-]*$/;

/**
 * Reads a stack and decides what is to be built from what. Nothing is built and nothing is written.
 * @throws BuilderError `stack_missing`, `stack_invalid`, `template_unknown` or `name_invalid`, with file and line
 */
export async function planStack(tree: Tree, hands: PlanHands): Promise<Plan> {
  const { file, text } = await readStackFile(tree.context, hands.stackFile);
  const stack = parseStack(hands.variables ? substitute(text, hands.variables, file) : text, file);
  const wanted = stack.functions.filter(({ name }) => hands.wants?.(name) ?? true);
  const functions: PlannedFunction[] = [];
  for (const definition of wanted.filter(({ skipBuild }) => !skipBuild)) {
    functions.push(await planFunction(definition, stack, { tree, hands }));
  }
  return { functions, skipped: wanted.filter(({ skipBuild }) => skipBuild).map(({ name }) => name) };
}

async function readStackFile(context: Context, given: PlanHands["stackFile"]): Promise<{ file: string; text: string }> {
  if (given) return given;
  for (const file of stackFileNames) {
    const text = await readText(context, file, maxStackBytes);
    if (text !== undefined) return { file, text };
  }
  throw new BuilderError("stack_missing", `there is no ${stackFileNames.join(" or ")} in the root of the tree`);
}

interface Surroundings {
  readonly tree: Tree;
  readonly hands: PlanHands;
}

async function planFunction(
  definition: StackFunction,
  stack: Stack,
  { tree, hands }: Surroundings,
): Promise<PlannedFunction> {
  const { name, handler, platforms, location } = definition;
  const image = located(location, () => hands.imageOf(definition));
  if (handler === "") throw fault(definition, "stack_invalid", 'has no "handler": expected the folder of its code');
  const common = { name, image, handler, platforms };
  if (definition.lang === "dockerfile") {
    if (!hands.dockerfileLang)
      throw fault(
        definition,
        "template_unknown",
        "has lang dockerfile, which is switched off (setting enable_dockerfile_lang)",
      );
    return { ...common, handlerFolder: "", copy: [], buildArgs: { ...definition.buildArgs, ...hands.buildArgs } };
  }
  const found = await findTemplate(definition, stack, { tree, hands });
  return {
    ...common,
    template: found.origin,
    handlerFolder: found.template.handlerFolder,
    copy: stack.copy,
    buildArgs: {
      ...definition.buildArgs,
      ...hands.buildArgs,
      ADDITIONAL_PACKAGE: packagesOf(definition, found.template),
    },
  };
}

interface FoundTemplate {
  readonly origin: TemplateOrigin;
  readonly template: Template;
}

/** The stack's own `template/` folder comes first, then the source that the stack names, then the installation's. */
async function findTemplate(
  definition: StackFunction,
  stack: Stack,
  { tree, hands }: Surroundings,
): Promise<FoundTemplate> {
  const { lang } = definition;
  if (!langName.test(lang))
    throw fault(definition, "template_unknown", `has lang "${lang}", which is no name of a template`);
  const own = await readTemplate(tree, lang);
  if (own) return { origin: { lang }, template: own };
  const source = stack.templates.find((entry) => entry.name === lang)?.source ?? "";
  if (source !== "" && !hands.allowsSource(source)) {
    throw fault(
      definition,
      "template_unknown",
      `takes its template from "${source}", which this installation does not allow (setting custom_templates)`,
    );
  }
  for (const url of source === "" ? hands.templateUrls : [source]) {
    const template = await readTemplate(await hands.openTemplates(url), lang);
    if (template) return { origin: { lang, url }, template };
  }
  const searched = ["template/ of the repository", ...(source === "" ? hands.templateUrls : [source])].join(", ");
  throw fault(
    definition,
    "template_unknown",
    `has lang "${lang}", of which no template was found (searched: ${searched})`,
  );
}

async function readTemplate({ context }: Tree, lang: string): Promise<Template | undefined> {
  const folder = await findEntry(context, `template/${lang}`);
  if (!folder || !isDirectory(folder)) return undefined;
  const file = `template/${lang}/template.yml`;
  return parseTemplate((await readText(context, file, maxStackBytes)) ?? "", file);
}

function packagesOf(definition: StackFunction, template: Template): string {
  const packages = additionalPackages(template, definition.buildOptions, definition.buildArgs.ADDITIONAL_PACKAGE ?? "");
  if ("value" in packages) return packages.value;
  const known = [...template.buildOptions.keys()].join(", ") || "none";
  throw fault(
    definition,
    "stack_invalid",
    `has build option "${packages.unknown}", which lang ${definition.lang} does not offer (it offers: ${known})`,
  );
}

function fault(definition: StackFunction, code: "stack_invalid" | "template_unknown", message: string): BuilderError {
  const location = code === "template_unknown" ? definition.langLocation : definition.location;
  return new BuilderError(code, `${location.path} line ${location.line}: function ${definition.name} ${message}`, {
    location,
  });
}

/** Gives an error of the work the place in the stack file that caused it. */
function located<T>(location: Location, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof BuilderError) || error.location) throw error;
    throw new BuilderError(error.code, `${location.path} line ${location.line}: ${error.message}`, {
      cause: error,
      location,
      fix: error.fix,
    });
  }
}
