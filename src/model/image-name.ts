import { BuilderError } from "../errors.ts";

const maxTagLength = 128;
const maxNameLength = 255;
const component = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
/** What comes first is a host where it is localhost, or has a dot or a port; else it is the first part of the path. */
const host = `localhost|${label}(?:\\.${label})+|(?:${label}(?:\\.${label})*|\\[[0-9a-fA-F:]+\\]):[0-9]+`;
const reference = new RegExp(
  `^(?:(?:${host})/)?${component}(?:/${component})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`,
);

/**
 * The name under which a pushed function's image goes to the registry, by OpenFaaS Cloud's rule:
 * `REGISTRY/OWNER/REPOSITORY-IMAGE:TAG-BRANCH-SHA7`, or `REGISTRY/OWNER-REPOSITORY-IMAGE:…` where the registry ends in
 * "/" (one account shared by all owners). Everything is lower-cased; what a tag cannot hold becomes "-".
 * @param registry `push_repository_url`
 * @param image the stack's `image`; only what follows its last "/" counts
 * @throws BuilderError `name_invalid`
 */
export function imageOfPush({
  registry,
  image,
  push,
}: {
  registry: string;
  image: string;
  push: { owner: string; repository: string; branch: string; sha: string };
}): string {
  checkNoDigest(image);
  const { name, tag } = splitTag(image.slice(image.lastIndexOf("/") + 1));
  const shared = registry.endsWith("/");
  const folder = shared ? `${registry.slice(0, -1)}/${push.owner}-` : `${registry}/${push.owner}/`;
  const suffix = `-${tagText(push.branch)}-${push.sha.slice(0, 7)}`;
  const fullTag = `${tagText(tag).slice(0, maxTagLength - Math.min(suffix.length, 100))}${suffix}`.slice(
    0,
    maxTagLength,
  );
  return checkImageName(`${folder}${push.repository}-${name}:${fullTag}`.toLowerCase());
}

/**
 * The name of a function's image outside of GitHub, as faas-cli gives it: the stack's `image`, `:latest` where it has no tag.
 * @throws BuilderError `name_invalid`
 */
export function imageOfStack(image: string): string {
  checkNoDigest(image);
  const { name, tag } = splitTag(image);
  return checkImageName(`${name}:${tag}`);
}

/**
 * Checks the name of an image that is to be pushed.
 * @returns the name
 * @throws BuilderError `name_invalid` with the name and the rule
 */
export function checkImageName(name: string): string {
  if (name.length > maxNameLength || !reference.test(name)) {
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
  const first = image.split("/")[0] ?? "";
  return image.includes("/") && (/[.:]/.test(first) || first === "localhost") ? first : "docker.io";
}

/** Splits at the tag's colon; a colon before the last "/" belongs to a port. */
function splitTag(image: string): { name: string; tag: string } {
  const colon = image.indexOf(":", image.lastIndexOf("/") + 1);
  return colon < 0 ? { name: image, tag: "latest" } : { name: image.slice(0, colon), tag: image.slice(colon + 1) };
}

function checkNoDigest(image: string): void {
  if (image.includes("@")) {
    throw new BuilderError(
      "name_invalid",
      `image "${image}" names a digest, which cannot be pushed to: expected a name with a tag`,
    );
  }
}

function tagText(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_.-]/g, "-");
}
