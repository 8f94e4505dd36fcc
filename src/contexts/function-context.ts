import { lstatSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import { BuilderError, type Location } from "../errors.ts";
import type { Context } from "../model/context.ts";
import { createDirectoryContext } from "./directory.ts";
import { isCleanPath, quoteName } from "./entry-name.ts";
import { createOverlayContext, type Layer } from "./overlay.ts";
import { isInside, realFolder } from "./real-path.ts";

export interface FunctionParts {
  /** Folder of the stack's tree; handler, copied paths and their links stay inside it. */
  readonly checkout: string;
  /** Folder of the language's template, `TREE/template/LANG`: its links stay inside TREE. Absent for a Dockerfile of one's own. */
  readonly template?: string;
  /** The function's folder as stack.yml writes it. */
  readonly handler: string;
  /** Where the handler comes to lie in the template, such as "function". */
  readonly handlerFolder: string;
  /** Further files and folders of the checkout, which come to lie beside the handler under the path they have. */
  readonly copy: readonly string[];
  /** Where these are written, for errors. */
  readonly places?: {
    readonly handler: Location;
    readonly copy: readonly Location[];
    readonly handlerFolder?: Location;
  };
}

/**
 * Creates the context of a function as faas-cli's shrinkwrap assembles it, without copying anything: the template (its
 * meta.json left out: it changes with every fetch), over it the handler without what is named "build" or "template" at
 * its top, over it the extra paths. Without a template the handler is the root. Links are resolved.
 * @throws BuilderError `path_forbidden` for what lies or leads outside, `context_invalid` for what does not exist; with
 *   the place where it is written
 */
export function createFunctionContext(parts: FunctionParts): Context {
  const { checkout, template, handler, places } = parts;
  const at = template === undefined ? "" : placing(places?.handlerFolder, () => handlerPlace(parts.handlerFolder));
  // faas-cli makes the handler's place first: its mode is not the template's.
  const layers: Layer[] = at === "" ? [] : [{ at, context: emptyContext }];
  if (template !== undefined) layers.push({ at: "", context: templateContext(template) });
  layers.push({ at, context: placing(places?.handler, () => handlerContext(checkout, handler)) });
  for (const [index, path] of parts.copy.entries()) {
    layers.push(placing(places?.copy[index], () => copyLayer(checkout, path, at)));
  }
  return createOverlayContext(layers);
}

/** What is wrong with a part is told with the place that names it. */
function placing<T>(location: Location | undefined, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof BuilderError) || !location) throw error;
    throw error.with({ location });
  }
}

const emptyContext: Context = { list: async () => [] };

function templateContext(template: string): Context {
  return createDirectoryContext(template, {
    within: posix.dirname(posix.dirname(template)),
    links: "resolve",
    skip: (name) => name === "meta.json",
  });
}

function handlerContext(checkout: string, handler: string): Context {
  const path = inCheckout("handler", handler);
  const { isFolder } = checkPlace(checkout, "handler", path);
  if (!isFolder) {
    const fix = "Name the folder that it lies in.";
    throw new BuilderError("context_invalid", `handler ${quoteName(handler)} is no folder`, { fix });
  }
  return createDirectoryContext(posix.join(checkout, path), {
    within: checkout,
    links: "resolve",
    skip: (name) => name === "build" || name === "template",
  });
}

/** A folder is a layer; a file is a layer of the folder around it, of which nothing else is seen. */
function copyLayer(checkout: string, copy: string, handlerAt: string): Layer {
  const path = inCheckout("copied path", copy);
  if (path === ".") {
    throw new BuilderError("path_forbidden", `copied path ${quoteName(copy)} is the whole repository: expected a part`);
  }
  const { isFolder } = checkPlace(checkout, "copied path", path);
  const folder = isFolder ? path : posix.dirname(path);
  const options = { within: checkout, links: "resolve" as const };
  const skip = isFolder ? {} : { skip: (name: string) => name !== posix.basename(path) };
  const place = posix.join(handlerAt, folder);
  return {
    at: place === "." ? "" : place,
    context: createDirectoryContext(posix.join(checkout, folder), { ...options, ...skip }),
  };
}

function handlerPlace(folder: string): string {
  const path = posix.normalize(folder).replace(/\/$/, "");
  if (isCleanPath(path) && !path.includes("\0")) return path;
  throw new BuilderError("path_forbidden", `handler_folder ${quoteName(folder)} leads out of the template`);
}

/** The relative path that is meant, "." for the checkout itself, judged by its text alone. */
function inCheckout(what: string, written: string): string {
  const path = posix.normalize(written).replace(/\/$/, "") || ".";
  if (written === "" || written.includes("\0")) {
    throw new BuilderError(
      "context_invalid",
      `${what} ${quoteName(written)} is no path: expected one in the repository`,
    );
  }
  if (posix.isAbsolute(written) || path === ".." || path.startsWith("../")) throw outside(what, written);
  return path;
}

/** Looks where a path of the checkout really leads, links on the way included. */
function checkPlace(checkout: string, what: string, path: string): { isFolder: boolean } {
  const place = Buffer.from(posix.join(checkout, path));
  const real = realPathOf(what, path, place);
  if (!isInside(realFolder(checkout), real)) throw outside(what, path);
  return { isFolder: lstatSync(real).isDirectory() };
}

function realPathOf(what: string, path: string, place: Buffer): Buffer {
  try {
    return realpathSync.native(place, { encoding: "buffer" });
  } catch (cause) {
    throw new BuilderError("context_invalid", `${what} ${quoteName(path)} does not exist in the repository`, {
      cause,
      fix: "Correct the path, or add what it names.",
    });
  }
}

function outside(what: string, path: string): BuilderError {
  return new BuilderError("path_forbidden", `${what} ${quoteName(path)} lies outside of the repository`);
}
