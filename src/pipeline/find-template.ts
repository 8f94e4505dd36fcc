import { BuilderError, type Location } from "../errors.ts";
import { findEntry, isDirectory, readText } from "../model/context.ts";
import type { Stack, StackFunction, TemplateSource } from "../model/stack.ts";
import { parseTemplate, type Template } from "../model/template.ts";
import { parseLang, pinnedSource, sourceAt } from "../model/template-source.ts";
import { placedAt, templateFault } from "./plan-fault.ts";
import type { Tree } from "./tree.ts";

/** `url` absent: the folder `template/LANG` lies in the stack's own tree. */
export interface TemplateOrigin {
  /** Name of the folder below `template/`. */
  readonly lang: string;
  /** The source as it was named, `URL` or `URL#REF`. */
  readonly url?: string;
  /** What `url` was when the plan was made: every later step takes the template of this commit. */
  readonly commit?: string;
}

/** What to open for a function that is built: the very commit that was planned with. */
export function templateSource(origin: TemplateOrigin | undefined): string | undefined {
  if (origin?.url === undefined || origin.commit === undefined) return origin?.url;
  return pinnedSource(origin.url, origin.commit);
}

/** Where templates may come from. */
export interface TemplateHands {
  /** Whether a stack's own `template/` folder counts; absent: it does. */
  readonly repositoryTemplates?: boolean;
  /** Sources that every stack may use, searched in this order. */
  readonly templateUrls: readonly string[];
  /** Whether a stack may name this source itself. */
  allowsSource(source: string): boolean;
  /** The address that the installation's template store has for `NAME`, or for `STORE-SOURCE/NAME`. */
  findInStore?(name: string): Promise<string | undefined>;
  /** @throws BuilderError `template_unknown` where a source has no such branch, tag or commit */
  openTemplates(source: string): Promise<Tree>;
}

export interface FoundTemplate {
  readonly origin: TemplateOrigin;
  readonly template: Template;
}

const maxTemplateBytes = 1024 * 1024;
const langName = /^[A-Za-z0-9][A-Za-z0-9_.@-]*$/;

/**
 * Finds the template of a function: in the stack's own `template/` folder, else in the source that the stack names for
 * its language, else in the sources that it names for no language, in the installation's, and in its store. An entry
 * `STORE-SOURCE/NAME` without a source of its own means the store's, and no other where there is a store.
 * `lang: NAME@REF` takes NAME of the source at REF (faas-cli takes its newest commit where the source has no #REF).
 * @throws BuilderError `template_unknown` with the place of `lang`, or of the entry that the stack has for it;
 *   `stack_invalid` for a broken template.yml
 */
export async function findTemplate(
  definition: StackFunction,
  stack: Stack,
  { tree, hands }: { tree: Tree; hands: TemplateHands },
): Promise<FoundTemplate> {
  const { lang } = definition;
  if (!langName.test(lang)) throw templateFault(definition, `has lang "${lang}", which is no name of a template`);
  if (hands.repositoryTemplates !== false) {
    const template = await readTemplate(tree, lang, "");
    if (template) return { origin: { lang }, template };
  }
  const search = { definition, hands, at: definition.langLocation, ...parseLang(lang) };
  const entries = stack.templates.filter(({ name }) => isNameOf(name, lang));
  const named = entries.find(({ source }) => source !== "");
  if (named) return findNamed(named.source, { ...search, at: named.location });
  const stored = entries.find(({ name }) => name.includes("/"));
  if (stored && hands.findInStore) return findStored(parseLang(stored.name).folder, { ...search, at: stored.location });
  return findOffered(stack, search);
}

interface Search {
  readonly definition: StackFunction;
  readonly hands: TemplateHands;
  /** What names the source that is looked at. */
  readonly at: Location;
  readonly folder: string;
  readonly ref: string;
}

/** `STORE-SOURCE/NAME` means NAME. */
function isNameOf(name: string, lang: string): boolean {
  return name.slice(name.lastIndexOf("/") + 1) === lang;
}

async function findNamed(source: string, search: Search): Promise<FoundTemplate> {
  const { definition, at, folder, ref } = search;
  checkAllowed(source, search);
  const found = await readFrom(sourceAt(source, ref) ?? source, search);
  if (found) return found;
  const { lang } = definition;
  throw templateFault(definition, `has lang "${lang}", but there is no template/${folder} in ${source}`, at);
}

async function findStored(name: string, search: Search): Promise<FoundTemplate> {
  const found = await readStored(name, search);
  if (found) return found;
  const { definition, at } = search;
  const { lang } = definition;
  throw templateFault(
    definition,
    `has lang "${lang}", of which no template was found (searched: ${name} in the template store)`,
    at,
  );
}

async function findOffered(stack: Stack, search: Search): Promise<FoundTemplate> {
  const { definition, hands, folder } = search;
  const unnamed = stack.templates.filter(({ name, source }) => name === "" && source !== "");
  for (const { source, location } of unnamed) checkAllowed(source, { ...search, at: location });
  const offered = hands.templateUrls.map((source) => ({ source, location: search.at }));
  const sources: readonly Omit<TemplateSource, "name">[] = [...unnamed, ...offered];
  for (const { source, location } of sources) {
    const found = await readAt(source, { ...search, at: location });
    if (found) return found;
  }
  const found = await readStored(folder, search);
  if (found) return found;
  const own = hands.repositoryTemplates === false ? [] : ["template/ of the repository"];
  const store = hands.findInStore ? ["the template store"] : [];
  const places = [...own, ...sources.map(({ source }) => source), ...store];
  const searched = places.join(", ") || "nothing: this installation offers no templates";
  throw templateFault(
    definition,
    `has lang "${definition.lang}", of which no template was found (searched: ${searched})`,
  );
}

function checkAllowed(source: string, { definition, hands, at }: Search): void {
  if (hands.allowsSource(source)) return;
  throw templateFault(
    definition,
    `takes its template from "${source}", which this installation does not allow (settings custom_templates and template_sources)`,
    at,
  );
}

async function readStored(name: string, search: Search): Promise<FoundTemplate | undefined> {
  const { hands, at, ref } = search;
  const repo = await hands.findInStore?.(name).catch((error) => {
    throw placedAt(at, error);
  });
  return repo === undefined ? undefined : readFrom(sourceAt(repo, ref) ?? repo, search);
}

/** A source that has no such REF does not have the template; that REF is not the source's own. */
async function readAt(source: string, search: Search): Promise<FoundTemplate | undefined> {
  const address = sourceAt(source, search.ref);
  if (address === undefined) return undefined;
  try {
    return await readFrom(address, search);
  } catch (error) {
    if (address !== source && error instanceof BuilderError && error.code === "template_unknown") return undefined;
    throw error;
  }
}

async function readFrom(source: string, { hands, at, folder }: Search): Promise<FoundTemplate | undefined> {
  const tree = await hands.openTemplates(source).catch((error) => {
    throw placedAt(at, error, ["template_unknown", "name_invalid"]);
  });
  const template = await readTemplate(tree, folder, `${source}:`);
  const origin = { lang: folder, url: source, ...(tree.commit !== undefined && { commit: tree.commit }) };
  return template && { origin, template };
}

/** @param origin what stands before its path, for people */
async function readTemplate({ context }: Tree, lang: string, origin: string): Promise<Template | undefined> {
  const folder = await findEntry(context, `template/${lang}`);
  if (!folder || !isDirectory(folder)) return undefined;
  const file = `template/${lang}/template.yml`;
  return parseTemplate((await readText(context, file, maxTemplateBytes)) ?? "", origin + file);
}
