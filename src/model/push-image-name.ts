import { createHash } from "node:crypto";
import { BuilderError } from "../errors.ts";
import { checkImageName, checkNoDigest, splitTag } from "./image-name.ts";

/*
 * Names of pushed functions' images. OpenFaaS Cloud's rule joins names that come from strangers with dashes, so that
 * different owners may meet under one name, and different branches under one tag. Here none do:
 *
 *   REGISTRY/OWNER/REPOSITORY-IMAGE:TAG-BRANCH-SHA7      the original's name, where nothing of others can have it
 *   …/REPOSITORY-IMAGE--HASH:TAG-BRANCH--HASH-SHA7       else, in that part where it could
 *
 * HASH is 16 hex digits of the SHA-256 of what stands before it, as it was given. It is needed where IMAGE or TAG holds a
 * dash (or OWNER, where all owners share one account), where something had to be lower-cased, replaced or cut, and where
 * a part holds "--" itself. GitHub's owners and repositories are the same in any case; images and branches are not.
 *
 * Of a pull request BRANCH is pr-NUMBER, and a branch that is called like that gets a hash; of a tag it is the tag's name.
 *
 * REPOSITORY may hold dashes: a name without a hash is cut at its last dash (and its first, where OWNER stands in it), so
 * that a-b with image c is never a with image b-c.
 */

/** One step of a path of a registry, with single dashes only. */
const plainPart = /^[a-z0-9]+(?:(?:[._]|__|-)[a-z0-9]+)*$/;
/** As a plain part without a dash. */
const plainImage = /^[a-z0-9]+(?:(?:[._]|__)[a-z0-9]+)*$/;
const imagePart = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/i;
const plainBranch = /^[a-z0-9_.]+(?:-[a-z0-9_.]+)*$/;
/** What a pull request's images have in place of a branch. */
const pullRequestBranch = /^pr-\d+$/;
const plainTag = /^[a-z0-9_][a-z0-9_.]*$/;

const maxTagLength = 128;
const maxPathLength = 255;
const hashLength = 16;

interface Named {
  readonly owner: string;
  readonly repository: string;
  readonly branch: string;
  readonly sha: string;
  /** Present for a pull request: then `branch` is `pr-NUMBER`. */
  readonly pullRequest?: object;
}

/**
 * The name under which a pushed function's image goes to the registry. Different functions, branches and commits have
 * different names, as far as seven digits tell commits apart; nobody can name anything of another owner.
 * @param registry `push_repository_url`; where it ends in "/" one account is shared by all owners, as in
 *   `REGISTRY/OWNER-REPOSITORY-IMAGE:…`
 * @param image the stack's `image`; only what follows its last "/" counts
 * @throws BuilderError `name_invalid`
 */
export function imageOfPush({ registry, image, push }: { registry: string; image: string; push: Named }): string {
  checkNoDigest(image);
  const { name, tag } = splitTag(image.slice(image.lastIndexOf("/") + 1));
  if (!imagePart.test(name) || tag === "") throw invalid(image);
  const path = registry.endsWith("/") ? sharedPath(registry, name, push) : ownPath(registry, name, push);
  return checkImageName(`${path}:${tagOf(tag, push)}`);
}

function ownPath(registry: string, image: string, push: Named): string {
  const owner = push.owner.toLowerCase();
  const folder = `${registry.toLowerCase()}/${plainPart.test(owner) ? owner : hashed(owner, [owner], 100)}/`;
  const repository = push.repository.toLowerCase();
  const isPlain = plainImage.test(image) && plainPart.test(repository);
  return folder + joined([repository, image], isPlain, folder);
}

function sharedPath(registry: string, image: string, push: Named): string {
  const [owner, repository] = [push.owner.toLowerCase(), push.repository.toLowerCase()];
  const isPlain = plainImage.test(image) && plainPart.test(repository) && plainPart.test(owner) && !owner.includes("-");
  return registry.toLowerCase() + joined([owner, repository, image], isPlain, registry);
}

function joined(parts: readonly string[], isPlain: boolean, before: string): string {
  const path = parts.join("-");
  const room = maxPathLength - before.length;
  return isPlain && path.length <= room ? path : hashed(path, parts, room);
}

/** What a path of a registry can hold of a text, and the hash of what was given. */
function hashed(text: string, given: readonly string[], room: number): string {
  const cut = Math.max(room - hashLength - 2, 1);
  const shown = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, (signs) => (/^[._-]$/.test(signs) ? signs : "-"))
    .slice(0, cut)
    .replaceAll(/^[._-]+|[._-]+$/g, "");
  return `${shown || "x"}--${hashOf(given)}`;
}

function tagOf(tag: string, { branch, sha, pullRequest }: Named): string {
  const end = `-${sha.slice(0, 7)}`;
  const whole = `${tag}-${branch}${end}`;
  const isPlain = pullRequestBranch.test(branch) ? pullRequest !== undefined : plainBranch.test(branch);
  if (plainTag.test(tag) && isPlain && whole.length <= maxTagLength) return whole;
  const room = maxTagLength - end.length - hashLength - 2;
  const shown = `${tag}-${branch}`.toLowerCase().replaceAll(/[^a-z0-9_.-]/g, "-");
  return `${shown.replace(/^[.-]/, "x").slice(0, room)}--${hashOf([tag, branch])}${end}`;
}

function hashOf(given: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(given)).digest("hex").slice(0, hashLength);
}

function invalid(image: string): BuilderError {
  return new BuilderError(
    "name_invalid",
    `image name "${image.slice(0, 300)}" is not valid: expected [PATH/]NAME[:TAG], NAME in letters, digits, ".", "_" and "-"`,
    { fix: 'Correct "image" in stack.yml.' },
  );
}
