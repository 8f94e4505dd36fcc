import { BuilderError, type Fault, type Location } from "../errors.ts";
import { type Context, readText } from "../model/context.ts";
import type { Deployment } from "../model/deployment.ts";
import { type Selection, selectFunctions } from "../model/function-selection.ts";
import { type BuildOption, type Stack, type StackFunction, stackFileNames, tryParseStack } from "../model/stack.ts";
import { substitute, type Variables } from "../model/substitute.ts";
import { additionalPackages, type Template } from "../model/template.ts";
import { asWritten } from "../model/yaml.ts";
import { askingOnce } from "./asking-once.ts";
import { checkImages } from "./check-images.ts";
import { findTemplate, type TemplateHands, type TemplateOrigin } from "./find-template.ts";
import { placedAt, planFault, templateFault } from "./plan-fault.ts";
import { collectTroubles, maxErrors, type Troubles } from "./plan-troubles.ts";
import { checkPackages, createPushedReader, type PushedReader } from "./pushed-function.ts";
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
  /** Where these are written; absent in plans of an earlier version. */
  readonly places?: PartPlaces;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Paths of files by the ids under which a Dockerfile mounts them; none of a push. */
  readonly buildSecrets: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  /** How it shall run, with the template's fprocess where it has none of its own; stored with the plan for whoever deploys. */
  readonly deployment: Deployment;
}

/** Where the parts of a function's context are named. Short: there may be a thousand functions in a plan. */
export interface PartPlaces {
  /** The stack file. */
  readonly file: string;
  readonly handler: Place;
  readonly copy: readonly Place[];
  /** In its template.yml; absent where that leaves it at the default. */
  readonly handlerFolder?: Place;
}

type Place = readonly [line: number, column: number];

export interface Plan {
  readonly functions: readonly PlannedFunction[];
  /** Functions that the stack itself excludes by `skip_build`. */
  readonly skipped: readonly string[];
  /** `provider.gateway`; "" where there is none. */
  readonly gateway: string;
  /** What in the stack is most likely a mistake. */
  readonly warnings: readonly Fault[];
}

/** What planning is given: rules of the installation, and the way to a template repository. */
export interface PlanHands extends TemplateHands {
  /** The stack file, where it is given; else stack.yaml and then stack.yml is looked for in the tree's root. */
  readonly stackFile?: { readonly file: string; readonly text: string };
  /** What `${NAME}` in a stack file may see; absent: nothing is substituted. */
  readonly variables?: Variables;
  imageOf(definition: StackFunction): string | Promise<string>;
  /** Which functions are wanted; all where absent. */
  readonly selection?: Selection;
  /** The stack is a stranger's: what it says to BuildKit itself is left out, and what it says of running is kept. */
  readonly pushed: boolean;
  /** Of a pushed stack: whose secrets it may name. */
  readonly owner?: string;
  /** Build arguments for every function; they win over the stack's. */
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly dockerfileLang: boolean;
}

const maxStackBytes = 1024 * 1024;
const maxWarnings = 20;

/**
 * Reads a stack and decides what is to be built from what. Nothing is built and nothing is written.
 * @throws BuilderError `stack_missing`, `stack_invalid`, `template_unknown` or `name_invalid`, with every fault that was
 *   found and its place; `usage` for a selection without meaning
 */
export async function planStack(tree: Tree, hands: PlanHands): Promise<Plan> {
  const { file, text } = await readStackFile(tree.context, hands);
  const substituted = hands.variables ? substitute(text, hands.variables, file) : { ...asWritten(text), warnings: [] };
  const { stack, failure } = tryParseStack(substituted, file);
  const warnings = [...substituted.warnings, ...stack.warnings];
  const troubles = collectTroubles({ file, text, warnings });
  for (const error of [substituted.failure, failure]) if (error) troubles.add(error);
  const wanted = await selectFunctions(stack.functions, hands.selection ?? {}).catch((error) => {
    troubles.check();
    throw error;
  });
  const { owner } = hands;
  const readPushed = hands.pushed ? createPushedReader(tree.context, { owner, text, warnings }) : undefined;
  const toBuild = wanted.filter(({ skipBuild }) => !skipBuild);
  const asking = { ...hands, ...onceEach(hands) };
  const functions = await planAll(toBuild, stack, { tree, hands: asking, readPushed, warnings, troubles, text });
  const skipped = wanted.filter(({ skipBuild }) => skipBuild).map(({ name }) => name);
  return { functions, skipped, gateway: stack.gateway, warnings: warnings.slice(0, maxWarnings) };
}

/**
 * Goes on after a function with a fault, so that the faults of all are told at once. A stack full of them is asked for
 * no further templates; when a source of templates does not answer, none is asked any more, and that is told only of a
 * stack without faults.
 */
async function planAll(
  definitions: readonly StackFunction[],
  stack: Stack,
  around: Surroundings & { readonly text: string },
): Promise<readonly PlannedFunction[]> {
  const functions: PlannedFunction[] = [];
  const named: { definition: StackFunction; image: string }[] = [];
  const known = new Set(["", "dockerfile"]);
  const { troubles, hands } = around;
  for (const written of definitions) {
    const { lang } = written;
    const definition = await readDefinition(written, around);
    const image = await troubles.attempt(() => imageAt(definition, hands));
    if (image !== undefined) named.push({ definition, image });
    for (const error of missingParts(definition, hands)) troubles.add(error);
    if (!known.has(lang) && !troubles.mayAsk()) continue;
    known.add(lang);
    const basics = { definition, planned: basicsOf(definition, image ?? "", { stack, hands }) };
    const planned = await troubles.attempt(() => planFunction(basics, stack, around));
    if (planned) functions.push(planned);
  }
  const { errors, warnings } = checkImages(named, around.text);
  around.warnings.push(...warnings);
  for (const error of errors) troubles.add(error);
  troubles.check();
  return functions;
}

/** However many functions want the same, it is asked for once. */
function onceEach({ openTemplates, findInStore }: TemplateHands): Pick<TemplateHands, "openTemplates" | "findInStore"> {
  return { openTemplates: askingOnce(openTemplates), ...(findInStore && { findInStore: askingOnce(findInStore) }) };
}

async function readStackFile(
  context: Context,
  { stackFile, pushed }: PlanHands,
): Promise<{ file: string; text: string }> {
  if (stackFile) return stackFile;
  for (const file of stackFileNames) {
    const text = await readText(context, file, maxStackBytes);
    if (text !== undefined) return { file, text };
  }
  const names = stackFileNames.join(" or ");
  if (pushed) throw new BuilderError("stack_missing", `there is no ${names} in the root of the repository`);
  const fix = "Change to the folder that has one, or name the file with --yaml.";
  throw new BuilderError("stack_missing", `there is no ${names} in this folder`, { fix });
}

interface Surroundings {
  readonly tree: Tree;
  readonly hands: PlanHands;
  /** For a stack that a stranger wrote. */
  readonly readPushed: PushedReader | undefined;
  /** Grows. */
  readonly warnings: Fault[];
  readonly troubles: Troubles;
}

/** A function as far as the stack file alone tells it: with a Dockerfile of its own that is all. */
interface Basics {
  readonly definition: StackFunction;
  readonly planned: PlannedFunction;
}

/** A pushed function as it may be; one whose build arguments are at fault without them. */
async function readDefinition(written: StackFunction, { readPushed, troubles }: Surroundings): Promise<StackFunction> {
  if (!readPushed) return written;
  return (await troubles.attempt(() => readPushed(written))) ?? { ...written, buildArgs: {} };
}

function missingParts(definition: StackFunction, { dockerfileLang }: PlanHands): readonly BuilderError[] {
  const { lang, handler } = definition;
  const errors: BuilderError[] = [];
  if (handler === "") errors.push(planFault(definition, 'has no "handler": expected the folder of its code'));
  if (lang === "") errors.push(planFault(definition, 'has no "lang": expected dockerfile, or the name of a template'));
  if (lang === "dockerfile" && !dockerfileLang)
    errors.push(
      templateFault(definition, "has lang dockerfile, which is switched off (setting enable_dockerfile_lang)"),
    );
  return errors;
}

function basicsOf(
  definition: StackFunction,
  image: string,
  { stack, hands }: { stack: Stack; hands: PlanHands },
): PlannedFunction {
  const { name, handler, platforms, buildSecrets, deployment } = definition;
  const buildArgs = { ...definition.buildArgs, ...hands.buildArgs };
  const places = {
    file: definition.handlerLocation.path,
    handler: placeOf(definition.handlerLocation),
    copy: stack.copy.map(({ location }) => placeOf(location)),
  };
  const sources = { handler, handlerFolder: "", copy: stack.copy.map(({ path }) => path), places };
  return { name, image, ...sources, buildArgs, platforms, buildSecrets, deployment };
}

async function planFunction(
  { definition, planned }: Basics,
  stack: Stack,
  { tree, hands, warnings, troubles }: Surroundings,
): Promise<PlannedFunction> {
  if (["", "dockerfile"].includes(definition.lang)) return planned;
  const { origin, template } = await findTemplate(definition, stack, { tree, hands });
  addNew(warnings, template.warnings);
  const { deployment, buildArgs, places } = planned;
  const { handlerFolder, handlerFolderLocation } = template;
  const existing = buildArgs.ADDITIONAL_PACKAGE ?? "";
  const { value: packages, unknown } = additionalPackages(template, definition.buildOptions, existing);
  for (const option of unknown.slice(0, maxErrors)) troubles.add(unknownOption(option, definition, template));
  // A template of another repository is the installation's word.
  if (hands.pushed && origin.url === undefined) checkPackages(definition, packages, "build_options");
  return {
    ...planned,
    template: origin,
    handlerFolder,
    ...(places && handlerFolderLocation && { places: { ...places, handlerFolder: placeOf(handlerFolderLocation) } }),
    buildArgs: { ...buildArgs, ADDITIONAL_PACKAGE: packages },
    deployment: { ...deployment, fprocess: deployment.fprocess || template.fprocess },
  };
}

function placeOf({ line, column = 1 }: Location): Place {
  return [line, column];
}

/** Functions of one template would each tell the same of it. */
function addNew(warnings: Fault[], found: readonly Fault[]): void {
  for (const fault of found) {
    const { message, location } = fault;
    const isKnown = warnings.some(
      (known) =>
        known.message === message && known.location.path === location.path && known.location.line === location.line,
    );
    if (!isKnown && warnings.length < maxWarnings) warnings.push(fault);
  }
}

async function imageAt(definition: StackFunction, hands: PlanHands): Promise<string> {
  try {
    return await hands.imageOf(definition);
  } catch (error) {
    throw placedAt(definition.imageLocation, error);
  }
}

function unknownOption({ name, location }: BuildOption, definition: StackFunction, template: Template): BuilderError {
  const known = [...template.buildOptions.keys()].join(", ") || "none";
  return planFault(
    definition,
    `has build option "${name}", which lang ${definition.lang} does not offer (it offers: ${known})`,
    { at: location },
  );
}
