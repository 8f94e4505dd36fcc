import { BuilderError } from "../errors.ts";
import { type Context, readText } from "../model/context.ts";
import { parseStack, type Stack, type StackFunction, stackFileNames } from "../model/stack.ts";
import { substitute, type Variables } from "../model/substitute.ts";
import { additionalPackages, type Template } from "../model/template.ts";
import { findTemplate, type TemplateHands, type TemplateOrigin } from "./find-template.ts";
import { placedAt, planFault } from "./plan-fault.ts";
import type { Tree } from "./tree.ts";

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

export interface Plan {
  readonly functions: readonly PlannedFunction[];
  /** Functions that the stack itself excludes by `skip_build`. */
  readonly skipped: readonly string[];
}

/** What planning is given: rules of the installation, and the way to a template repository. */
export interface PlanHands extends TemplateHands {
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
}

const maxStackBytes = 1024 * 1024;

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
  const { name, handler, platforms } = definition;
  const image = imageAt(definition, hands);
  if (handler === "") throw planFault(definition, "stack_invalid", 'has no "handler": expected the folder of its code');
  const common = { name, image, handler, platforms };
  if (definition.lang === "dockerfile") {
    if (!hands.dockerfileLang)
      throw planFault(
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

function imageAt(definition: StackFunction, hands: PlanHands): string {
  try {
    return hands.imageOf(definition);
  } catch (error) {
    throw placedAt(definition.location, error);
  }
}

function packagesOf(definition: StackFunction, template: Template): string {
  const packages = additionalPackages(template, definition.buildOptions, definition.buildArgs.ADDITIONAL_PACKAGE ?? "");
  if ("value" in packages) return packages.value;
  const known = [...template.buildOptions.keys()].join(", ") || "none";
  throw planFault(
    definition,
    "stack_invalid",
    `has build option "${packages.unknown}", which lang ${definition.lang} does not offer (it offers: ${known})`,
  );
}
