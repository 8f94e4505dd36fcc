import { createHash } from "node:crypto";

/** Everything that an image is made of. */
export interface Inputs {
  /** Hash of the context's entries. */
  readonly context: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  /** Where the template comes from, its commit included where it is known; plain JSON. */
  readonly template?: object;
  /** Digests of the images that the Dockerfile names, by these names. */
  readonly bases: Readonly<Record<string, string>>;
  /** Which program builds it, with its version. */
  readonly builder: string;
}

/** A build that went well, as it is remembered. Plain JSON. */
export interface GoodBuild {
  /** What hashInputs said. */
  readonly inputs: string;
  /** Full name under which the image was pushed. */
  readonly image: string;
  readonly digest: string;
  /** The commit that it was built from, "" where there was none. */
  readonly sha: string;
}

/**
 * The hash of everything that an image is made of: as long as it stays the same a build would make nothing new.
 * @returns hex SHA-256
 */
export function hashInputs({ context, buildArgs, platforms, template, bases, builder }: Inputs): string {
  const text = JSON.stringify([
    context,
    sorted(buildArgs),
    [...platforms].sort(),
    template ? sorted(template) : [],
    sorted(bases),
    builder,
  ]);
  return createHash("sha256").update(text).digest("hex");
}

/** The order in which a record came about says nothing. */
function sorted(record: object): readonly (readonly [string, unknown])[] {
  return Object.entries(record).sort(([one], [other]) => (one < other ? -1 : 1));
}
