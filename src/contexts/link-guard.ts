import { type BigIntStats, lstatSync, realpathSync } from "node:fs";
import { BuilderError } from "../errors.ts";
import { quoteName, readableName } from "./entry-name.ts";
import { isInside, parentOf, readLink, resolveBytes } from "./real-path.ts";

/** Folders behind links may hold further links: without a bound a few links make a tree without end. */
const maxLinkedFolders = 10_000;
/** As many links in a row as Linux follows. */
const maxHops = 40;

/** Decides which links may be followed and which folders are part, for one context. */
export interface LinkGuard {
  /**
   * Follows the link at `place`, the entry `path`.
   * @returns what it leads to; undefined where that is left out
   * @throws BuilderError `path_forbidden` out of the bounds, `context_invalid` to nothing or in a circle
   */
  follow(path: string, place: Buffer): BigIntStats | undefined;
  /**
   * Checks a folder that was opened by its path in the context, and lies really at `real`.
   * @returns false where it is left out
   * @throws BuilderError `path_forbidden` out of the bounds, `context_invalid` where links lead back to it for ever
   */
  mayEnter(directory: string, path: Buffer, real: Buffer): boolean;
  /** Adds to the names that are skipped in the folder at `real` that of the folder that is left out. */
  skipIn(real: Buffer, skip: Skip | undefined): Skip | undefined;
}

type Skip = (name: string) => boolean;

/**
 * Creates the guard of a context whose links may lead anywhere below the real folder `within`.
 * @param leftOut real path of a folder that is no part of the context
 */
export function createLinkGuard(within: Buffer, leftOut?: Buffer): LinkGuard {
  /** Real paths of the folders that lie behind links. */
  const linked = new Map<string, Buffer>();
  return {
    follow(path, place) {
      const link = `link ${quoteName(path)} -> ${quoteName(readableName(readLink(place)))}`;
      const real = followLink(link, place, within);
      if (!isInside(within, real)) throw forbidden(link);
      if (leftOut && isInside(leftOut, real)) return undefined;
      return lstatSync(real, { bigint: true });
    },
    mayEnter(directory, path, real) {
      if (!isInside(within, real)) throw forbidden(`folder ${quoteName(directory)}`);
      if (leftOut && isInside(leftOut, real)) return false;
      if (real.equals(path)) return true;
      if ([...realParents(directory, path, linked)].some((above) => above.equals(real))) throw circle(directory);
      linked.set(directory, real);
      if (linked.size > maxLinkedFolders) {
        throw new BuilderError("context_invalid", `links lead to more than ${maxLinkedFolders} folders`);
      }
      return true;
    },
    skipIn(real, skip) {
      if (!leftOut || !parentOf(leftOut).equals(real)) return skip;
      const hidden = readableName(leftOut.subarray(leftOut.lastIndexOf("/") + 1));
      return (name) => name === hidden || skip?.(name) === true;
    },
  };
}

function followLink(link: string, place: Buffer, within: Buffer): Buffer {
  try {
    return realpathSync.native(place, { encoding: "buffer" });
  } catch (cause) {
    if (!isInside(within, nearestExisting(place))) throw forbidden(link, cause);
    const fault = (cause as NodeJS.ErrnoException).code === "ELOOP" ? "runs in a circle" : "leads to nothing";
    throw new BuilderError("context_invalid", `${link} ${fault}`, { cause });
  }
}

/**
 * The real path of what exists nearest to a path that leads to nothing, links on the way followed. What leads to nothing
 * outside has to be answered like what leads to something outside: else a push could ask which files the server has.
 */
export function nearestExisting(place: Buffer): Buffer {
  let path = place;
  for (let hops = 0; hops < maxHops; ) {
    try {
      return realpathSync.native(path, { encoding: "buffer" });
    } catch {
      const isLink = isLinkAt(path);
      if (isLink) hops += 1;
      path = isLink ? resolveBytes(nearestExisting(parentOf(path)), readLink(path)) : parentOf(path);
    }
  }
  return path;
}

/** A path that is too long, or whose way is a circle, has no link at its end. */
function isLinkAt(path: Buffer): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}

function forbidden(what: string, cause?: unknown): BuilderError {
  return new BuilderError("path_forbidden", `${what} leads out of the repository`, { cause });
}

/** The real paths of all folders above one, the root of its context included. */
function* realParents(directory: string, path: Buffer, known: ReadonlyMap<string, Buffer>): Generator<Buffer> {
  let name = directory;
  let place = path;
  while (name !== "") {
    name = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    place = parentOf(place);
    yield known.get(name) ?? realpathSync.native(place, { encoding: "buffer" });
  }
}

/** A folder that is reached again below itself goes on for ever. */
function circle(directory: string): BuilderError {
  return new BuilderError("context_invalid", `links lead from folder ${quoteName(directory)} back to itself`);
}
