import { apiHost, parseReference } from "./reference.ts";

/** For what one build may show this installation's credentials. */
export interface Permit {
  /** Whether there may be anything of a host's to show them for. */
  touches(host: string): boolean;
  /** Whether the build may have all that a host holds, or may push there, which takes the bare password. */
  hasPassword(host: string): boolean;
  /** What is left of the scopes that a token is asked for (distribution, "Token Scope"). */
  narrow(host: string, scopes: readonly string[]): readonly string[];
}

/** The permit of a build on one's own machine with one's own credentials. */
export const openPermit: Permit = {
  touches: () => true,
  hasPassword: () => true,
  narrow: (_host, scopes) => scopes,
};

/**
 * Creates a build's permit: it may push (and pull) the images that it makes, and pull what the patterns name.
 * @param images full names of the images that the build makes; nothing of them where it does not push
 * @param patterns "HOST/REPOSITORY", where "*" at the end stands for any text; "*" alone is everything
 */
export function createPermit({ images, patterns }: { images: readonly string[]; patterns: readonly string[] }): Permit {
  const own = images.map((image) => parseReference(image)).map(({ host, repository }) => placeOf(host, repository));
  const tests = patterns.map(parsePattern);
  const mayPull = (place: string) => own.includes(place) || tests.some((covers) => covers(place));
  const ownHost = (host: string) => own.some((place) => place.startsWith(`${apiHost(host)}/`));
  return {
    touches: (host) => ownHost(host) || patterns.some((pattern) => isOfHost(pattern, host)),
    hasPassword: (host) => ownHost(host) || tests.some((covers) => covers(`${apiHost(host)}/`)),
    narrow: (host, scopes) =>
      scopes.flatMap((scope) => {
        const { repository, actions } = parseScope(scope);
        const place = placeOf(host, repository);
        const left = actions.filter((action) => (action === "push" ? own.includes(place) : mayPull(place)));
        return left.length === 0 ? [] : [`repository:${repository}:${left.join(",")}`];
      }),
  };
}

function placeOf(host: string, repository: string): string {
  return `${apiHost(host)}/${repository}`;
}

function parsePattern(pattern: string): (place: string) => boolean {
  if (pattern === "*") return () => true;
  const slash = pattern.indexOf("/");
  const place = placeOf(pattern.slice(0, slash), pattern.slice(slash + 1));
  if (!place.endsWith("*")) return (candidate) => candidate === place;
  return (candidate) => candidate.startsWith(place.slice(0, -1));
}

function isOfHost(pattern: string, host: string): boolean {
  return pattern === "*" || apiHost(pattern.slice(0, pattern.indexOf("/"))) === apiHost(host);
}

/** "repository:NAME:ACTION,…"; of any other kind, and of a name that climbs, nothing is left. */
function parseScope(scope: string): { repository: string; actions: readonly string[] } {
  const [, repository = "", actions = ""] = /^repository:([^:]+):([a-z,]+)$/.exec(scope) ?? [];
  const isName = repository.split("/").every((part) => /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*$/.test(part));
  const known = actions.split(",").filter((action) => action === "pull" || action === "push");
  return { repository, actions: isName ? known : [] };
}
