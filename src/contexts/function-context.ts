import { existsSync, lstatSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import { BuilderError, type Location } from "../errors.ts";
import type { Context } from "../model/context.ts";
import { createDirectoryContext, type DirectoryOptions } from "./directory.ts";
import { isCleanPath, quoteName } from "./entry-name.ts";
import { nearestExisting } from "./link-guard.ts";
import { createOverlayContext, type Layer } from "./overlay.ts";
import { isInside, realFolder, resolveBytes } from "./real-path.ts";

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
  /** A folder of this disk, there or not, of which nothing is part of the context, whatever leads to it. */
  readonly leftOut?: string;
}

/**
 * Creates the context of a function as faas-cli's shrinkwrap assembles it, without copying anything: the template (its
 * meta.json left out: it changes with every fetch), over it the handler without what is named "build" or "template" at
 * its top, over it the extra paths. Without a template the handler is the root. Links are resolved.
 * @throws BuilderError `path_forbidden` for what lies or leads outside, `context_invalid` for what does not exist,
 *   `usage` for a handler or copied path in the folder that is left out; with the place where it is written
 */
export function createFunctionContext(parts: FunctionParts): Context {
  const { checkout, template, handler, places } = parts;
  const leftOut = parts.leftOut === undefined ? {} : { leftOut: futureRealPath(parts.leftOut) };
  const bounds: Bounds = { within: checkout, ...leftOut };
  const at = template === undefined ? "" : placing(places?.handlerFolder, () => handlerPlace(parts.handlerFolder));
  // faas-cli makes the handler's place first: its mode is not the template's.
  const layers: Layer[] = at === "" ? [] : [{ at, context: emptyContext }];
  if (template !== undefined) layers.push({ at: "", context: templateContext(template, leftOut) });
  layers.push({ at, context: placing(places?.handler, () => handlerContext(bounds, handler)) });
  for (const [index, path] of parts.copy.entries()) {
    layers.push(placing(places?.copy[index], () => copyLayer(bounds, path, at)));
  }
  return createOverlayContext(layers);
}

type Bounds = Pick<DirectoryOptions, "within" | "leftOut">;

/** Where a folder really lies, or will when it is made. */
function futureRealPath(folder: string): Buffer {
  const parent = posix.dirname(folder);
  if (parent === folder || existsSync(folder)) return realFolder(folder);
  return resolveBytes(futureRealPath(parent), Buffer.from(posix.basename(folder)));
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

function templateContext(template: string, leftOut: Pick<Bounds, "leftOut">): Context {
  return createDirectoryContext(template, {
    ...leftOut,
    within: posix.dirname(posix.dirname(template)),
    links: "resolve",
    skip: (name) => name === "meta.json",
  });
}

function handlerContext(bounds: Bounds, handler: string): Context {
  const { within } = bounds;
  const path = inCheckout("handler", posix.isAbsolute(handler) ? relativeTo(within, handler) : handler);
  const { isFolder } = checkPlace(bounds, "handler", path);
  if (!isFolder) {
    const fix = "Name the folder that it lies in.";
    throw new BuilderError("context_invalid", `handler ${quoteName(handler)} is no folder`, { fix });
  }
  return createDirectoryContext(posix.join(within, path), {
    ...bounds,
    links: "resolve",
    skip: (name) => name === "build" || name === "template",
  });
}

/**
 * An absolute handler as a path in the checkout, by whatever name of it. What lies elsewhere stays absolute, be it there
 * or not: a push must not find out what a server has.
 */
function relativeTo(checkout: string, handler: string): string {
  const below = posix.relative(checkout, handler);
  if (!isOutside(below)) return below || ".";
  try {
    const reallyBelow = posix.relative(realpathSync.native(checkout), realpathSync.native(handler));
    return isOutside(reallyBelow) ? handler : reallyBelow || ".";
  } catch {
    return handler;
  }
}

/** A folder is a layer; a file is a layer of the folder around it, of which nothing else is seen. */
function copyLayer(bounds: Bounds, copy: string, handlerAt: string): Layer {
  if (posix.isAbsolute(copy)) {
    throw new BuilderError(
      "path_forbidden",
      `copied path ${quoteName(copy)} is absolute: expected one in the repository`,
    );
  }
  const path = inCheckout("copied path", copy);
  if (path === ".") {
    throw new BuilderError("path_forbidden", `copied path ${quoteName(copy)} is the whole repository: expected a part`);
  }
  const { isFolder } = checkPlace(bounds, "copied path", path);
  const folder = isFolder ? path : posix.dirname(path);
  const options = { ...bounds, links: "resolve" as const };
  const skip = isFolder ? {} : { skip: (name: string) => name !== posix.basename(path) };
  const place = posix.join(handlerAt, folder);
  return {
    at: place === "." ? "" : place,
    context: createDirectoryContext(posix.join(bounds.within, folder), { ...options, ...skip }),
  };
}

/** As faas-cli joins it to the context's folder, "" for that folder itself; but never out of it. */
function handlerPlace(folder: string): string {
  const path = posix.normalize(folder.replace(/^\/+/, "")).replace(/\/$/, "");
  if (path === ".") return "";
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
  if (posix.isAbsolute(written) || isOutside(path)) throw outside(what, written);
  return path;
}

function isOutside(path: string): boolean {
  return posix.isAbsolute(path) || path === ".." || path.startsWith("../");
}

/** Looks where a path of the checkout really leads, links on the way included. */
function checkPlace({ within, leftOut }: Bounds, what: string, path: string): { isFolder: boolean } {
  const place = Buffer.from(posix.join(within, path));
  const { real, cause } = realPathOf(place);
  if (!isInside(realFolder(within), real)) throw outside(what, path);
  if (cause !== undefined) {
    const fix = "Correct the path, or add what it names.";
    throw new BuilderError("context_invalid", `${what} ${quoteName(path)} does not exist in the repository`, {
      cause,
      fix,
    });
  }
  if (leftOut && isInside(leftOut, real)) {
    const fix = "Name a folder to write to that holds neither handlers nor copied paths.";
    throw new BuilderError("usage", `${what} ${quoteName(path)} lies in the folder that is written to`, { fix });
  }
  return { isFolder: lstatSync(real).isDirectory() };
}

/** Where a path leads; where it leads to nothing, what exists nearest to that. */
function realPathOf(place: Buffer): { real: Buffer; cause?: unknown } {
  try {
    return { real: realpathSync.native(place, { encoding: "buffer" }) };
  } catch (cause) {
    return { real: nearestExisting(place), cause };
  }
}

function outside(what: string, path: string): BuilderError {
  return new BuilderError("path_forbidden", `${what} ${quoteName(path)} lies outside of the repository`);
}
