import { BuilderError } from "../errors.ts";

/** Without the tag, which has a limit of its own. */
const maxPathLength = 255;
const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
/** What comes first is a host where it is localhost, or has a dot or a port; else it is the first part of the path. */
const host = `localhost|${label}(?:\\.${label})+|(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:]+\\]):[0-9]+`;
const reference = new RegExp(
  `^(?:(?:${host})/)?${component}(?:/${component})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`,
);

/** faas-cli's formats of tags: as written, with a commit, branch and commit, or `git describe` behind it, or a digest in its place. */
export const tagFormats = ["latest", "sha", "branch", "describe", "digest"] as const;
export type TagFormat = (typeof tagFormats)[number];

/**
 * Reads the name of a tag format as faas-cli does: in any case; nothing and `default` are `latest`.
 * @throws BuilderError `usage`
 */
export function parseTagFormat(text: string): TagFormat {
  const word = text.toLowerCase();
  const format = tagFormats.find((known) => known === (["", "default"].includes(word) ? "latest" : word));
  if (format !== undefined) return format;
  throw new BuilderError("usage", `unknown image tag format: '${text}' (expected ${tagFormats.join(", ")})`);
}

/**
 * The name of a function's image outside of GitHub, as faas-cli gives it: the stack's `image`, `:latest` where it has no tag.
 * @param retag makes of this tag the one that is wanted
 * @throws BuilderError `name_invalid`
 */
export function imageOfStack(image: string, retag = (tag: string) => tag): string {
  checkNoDigest(image);
  const { name, tag } = splitTag(image);
  return checkImageName(`${name}:${retag(tag)}`);
}

/** A branch's name with a dash for whatever a tag cannot hold. */
export function tagPart(branch: string): string {
  return branch.replaceAll(/[^A-Za-z0-9_.-]/g, "-");
}

/**
 * Checks the name of an image that is to be pushed.
 * @returns the name
 * @throws BuilderError `name_invalid` with the name and the rule
 */
export function checkImageName(name: string): string {
  if (splitTag(name).name.length > maxPathLength || !reference.test(name)) {
    throw new BuilderError(
      "name_invalid",
      `image name "${name.slice(0, 300)}" is not valid: expected [HOST[:PORT]/]PATH[:TAG] in lower-case letters, digits, ".", "_" and "-"`,
      { fix: 'Correct "image" in stack.yml.' },
    );
  }
  return name;
}

/** The registry of an image's name; docker.io where the name has none. */
export function hostOf(image: string): string {
  const first = image.slice(0, Math.max(image.indexOf("/"), 0));
  return /[.:]/.test(first) || first === "localhost" ? first : "docker.io";
}

/** The name of an image's repository: without its tag. */
export function repositoryOf(image: string): string {
  return splitTag(image).name;
}

/** Splits an image's name at the tag's colon, tag `latest` where it has none; a colon before the last "/" belongs to a port. */
export function splitTag(image: string): { name: string; tag: string } {
  const colon = image.indexOf(":", image.lastIndexOf("/") + 1);
  return colon < 0 ? { name: image, tag: "latest" } : { name: image.slice(0, colon), tag: image.slice(colon + 1) };
}

/** @throws BuilderError `name_invalid` for a name with a digest */
export function checkNoDigest(image: string): void {
  if (image.includes("@")) {
    throw new BuilderError(
      "name_invalid",
      `image "${image}" names a digest, which cannot be pushed to: expected a name with a tag`,
    );
  }
}
