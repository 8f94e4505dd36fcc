import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Config, Surroundings } from "../config.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import { BuilderError } from "../errors.ts";
import type { Git } from "../git/git.ts";
import type { Log } from "../log.ts";
import { pinnedSource } from "../model/template-source.ts";
import type { TemplateHands } from "../pipeline/find-template.ts";
import type { Tree } from "../pipeline/tree.ts";
import { keptBy } from "./git-cache.ts";

/** The templates that the stack of a folder of this disk may use. */
export interface LocalTemplates extends AsyncDisposable {
  readonly hands: Pick<TemplateHands, "openTemplates" | "findInStore">;
}

interface LocalOptions {
  readonly config: Config;
  /** The stack's folder: sources may be paths from there. */
  readonly folder: string;
  readonly surroundings: Surroundings;
  readonly log: Log;
  readonly signal: AbortSignal;
}

type OpenTree = Tree & Partial<AsyncDisposable>;

/** Where faas-cli looks as well. */
const officialStore = "https://raw.githubusercontent.com/openfaas/store/master/templates.json";

/**
 * Opens template repositories, each once; git and the store are loaded only where they are asked for. A source may be
 * a folder of this disk too: it is taken as it lies there, or at its #REF where it names one.
 */
export function createTemplates(options: LocalOptions): LocalTemplates {
  const open = new Map<string, Promise<OpenTree>>();
  const git = once(() => loadGit(options));
  const store = once(() => loadStore(options));
  const openOne = async (source: string): Promise<OpenTree> => {
    const url = isPath(source) ? await openablePath(source, options) : source;
    return typeof url === "string" ? checkout(await git(), url, options) : url;
  };
  return {
    hands: {
      async openTemplates(source) {
        const opening = open.get(source) ?? openOne(source);
        open.set(source, opening);
        const tree = await opening;
        if (tree.commit !== undefined) open.set(pinnedSource(source, tree.commit), opening);
        return tree;
      },
      findInStore: async (name) => (await store()).find(name),
    },
    async [Symbol.asyncDispose]() {
      for (const tree of await Promise.allSettled(new Set(open.values()))) {
        if (tree.status === "fulfilled") await tree.value[Symbol.asyncDispose]?.();
      }
    },
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

async function loadGit({ config, surroundings, log }: LocalOptions): Promise<Git> {
  const { createGit } = await import("../git/git.ts");
  return createGit({
    temporaryFolder: tmpdir(),
    allowHttp: true,
    environment: surroundings.environment,
    kept: keptBy(config),
    templateRefreshMs: config.templateRefreshMs,
    log,
  });
}

async function loadStore({ config, log }: LocalOptions) {
  const { createTemplateStore } = await import("../git/template-store.ts");
  const url = config.templateStoreUrl ?? officialStore;
  return createTemplateStore({ url, folder: keptBy(config).folder, refreshMs: config.templateRefreshMs, log });
}

async function checkout(git: Git, url: string, { signal }: LocalOptions): Promise<OpenTree> {
  const made = await git.checkoutRef({ url }, { signal });
  return { ...treeAt(made.folder), commit: made.sha, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}

function treeAt(folder: string): Tree {
  return { folder, context: createDirectoryContext(folder, { within: folder, links: "resolve" }) };
}

/** Neither `https://…` nor `git@host:…`. */
function isPath(source: string): boolean {
  return !/^[^/]*:/.test(source);
}

async function openablePath(source: string, { folder }: LocalOptions): Promise<OpenTree | string> {
  const [path = "", ref] = source.split("#", 2);
  const place = resolve(folder, path);
  const isFolder = await stat(place).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) {
    throw new BuilderError("template_unknown", `the templates' source "${source}" is no folder`, {
      fix: "Name a folder with a folder template/, or the address of a repository.",
    });
  }
  return ref ? `${pathToFileURL(place).href}#${ref}` : treeAt(place);
}
