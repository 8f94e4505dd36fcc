import { BuilderError, messageOf } from "../errors.ts";
import { checkImageName } from "../model/image-name.ts";

/** What a client of the build API wants built. */
export interface BuildConfig {
  /** As the client wrote it: so it is named in the answer. */
  readonly image: string;
  /** Under which it is pushed: in lower case. */
  readonly pushName: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly platforms: readonly string[];
  readonly push: boolean;
}

/** The names that the file had, the newest first. */
export const configNames = ["com.openfaas.docker.config", "config"] as const;

const platformForm = /^[a-z0-9]+(\/[a-z0-9._-]+){0,2}$/i;

/**
 * Parses the config of a build as the Go programs did that this API comes from: keys in any case, of several spellings
 * the last one counts, null is nothing, unknown keys (such as `frontend`) are ignored. Their error texts are kept.
 * @throws BuilderError `body_invalid`, or `name_invalid` for the image
 */
export function parseBuildConfig(text: string): BuildConfig {
  const members = new Map<string, unknown>();
  for (const [key, value] of parseMembers(text)) {
    if (value !== null) members.set(key.toLowerCase(), value);
  }
  const image = readText("image", members.get("image")) || readText("ref", members.get("ref"));
  if (image === "") {
    throw fault("no target reference to push", 'Name the image as "image" (or "ref") in the config.');
  }
  return {
    image,
    pushName: checkImageName(image.toLowerCase()),
    buildArgs: readTexts("buildArgs", members.get("buildargs")),
    platforms: readPlatforms(members.get("platforms")),
    push: !readFlag("skipPush", members.get("skippush")),
  };
}

/** The members of the object in the order of the text; JSON.parse alone would move a repeated key to its first place. */
function parseMembers(text: string): readonly (readonly [string, unknown])[] {
  const value = parseJson(text);
  if (value === null) return [];
  if (kindOf(value) !== "object")
    throw fault(`json: cannot unmarshal ${kindOf(value)} into Go value of type buildConfig`);
  return splitMembers(text).map((member) => {
    const colon = endOfString(member, member.indexOf('"'));
    return [JSON.parse(member.slice(0, colon)), JSON.parse(member.slice(member.indexOf(":", colon) + 1))];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const place = /after JSON at position (\d+)/.exec(messageOf(cause))?.[1];
    const sign = place === undefined ? undefined : text[Number(place)];
    throw fault(
      sign === undefined
        ? `the config is no JSON: ${messageOf(cause)}`
        : `invalid character '${sign}' after top-level value`,
    );
  }
}

/** Cuts valid JSON text of an object into the texts of its members. */
function splitMembers(text: string): readonly string[] {
  const members: string[] = [];
  let depth = 0;
  let start = text.indexOf("{") + 1;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] ?? "";
    if (sign === '"') at = endOfString(text, at) - 1;
    depth += nesting.get(sign) ?? 0;
    if ((sign === "," && depth === 1) || (sign === "}" && depth === 0)) {
      members.push(text.slice(start, at));
      start = at + 1;
    }
  }
  return members.filter((member) => member.trim() !== "");
}

const nesting = new Map([
  ["{", 1],
  ["[", 1],
  ["]", -1],
  ["}", -1],
]);

/** The place behind the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function readText(field: string, value: unknown = ""): string {
  if (typeof value !== "string") throw wrongKind(value, field, "string");
  return value;
}

function readFlag(field: string, value: unknown = false): boolean {
  if (typeof value !== "boolean") throw wrongKind(value, field, "bool");
  return value;
}

function readTexts(field: string, value: unknown = {}): Readonly<Record<string, string>> {
  if (kindOf(value) !== "object") throw wrongKind(value, field, "map[string]string");
  // Without prototype: a key named __proto__ is a key like any other.
  const texts: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(value as object)) texts[key] = readText(field, text ?? "");
  return texts;
}

function readPlatforms(value: unknown = []): readonly string[] {
  if (!Array.isArray(value)) throw wrongKind(value, "platforms", "[]string");
  return value.map((item) => {
    const platform = readText("platforms", item ?? "");
    if (platformForm.test(platform)) return platform;
    throw fault(
      `platform ${JSON.stringify(platform.slice(0, 100))} is not valid: expected OS/ARCH, such as linux/amd64`,
    );
  });
}

function wrongKind(value: unknown, field: string, type: string): BuilderError {
  return fault(`json: cannot unmarshal ${kindOf(value)} into Go struct field buildConfig.${field} of type ${type}`);
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function fault(message: string, fix = "Correct the config in the archive."): BuilderError {
  return new BuilderError("body_invalid", message, { fix });
}
