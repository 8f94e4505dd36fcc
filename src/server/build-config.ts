import type { z } from "zod";
import { BuilderError, messageOf } from "../errors.ts";
import { type BuildConfigFile, buildConfigSchema } from "../model/build-api.ts";
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

/**
 * Parses the config of a build as the Go programs did that this API comes from: keys in any case, of several spellings
 * the last one counts, null is nothing, unknown keys (such as `frontend`) are ignored. Their error texts are kept.
 * @throws BuilderError `body_invalid`, or `name_invalid` for the image
 */
export function parseBuildConfig(text: string): BuildConfig {
  const { image: newName, ref, buildArgs = {}, platforms = [], skipPush = false } = checkConfig(normalise(text));
  const image = newName || ref || "";
  if (image === "") {
    throw fault("no target reference to push", 'Name the image as "image" (or "ref") in the config.');
  }
  return { image, pushName: checkImageName(image.toLowerCase()), buildArgs, platforms, push: !skipPush };
}

/** Brings what Go's decoder takes into the one form that the schema describes. */
function normalise(text: string): Fields {
  const members = new Map<string, unknown>();
  for (const [key, value] of parseMembers(text)) {
    if (value !== null) members.set(key.toLowerCase(), value);
  }
  const known = Object.keys(buildConfigSchema.shape).filter((name) => members.has(name.toLowerCase()));
  return Object.fromEntries(known.map((name) => [name, withoutNulls(members.get(name.toLowerCase()))]));
}

type Fields = Readonly<Record<string, unknown>>;

/** In a list or a map of texts null is an empty one. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => item ?? "");
  if (typeof value !== "object" || value === null) return value;
  // Without prototype: a key named __proto__ is a key like any other.
  const texts: Record<string, unknown> = Object.create(null);
  for (const [key, item] of Object.entries(value)) texts[key] = item ?? "";
  return texts;
}

function checkConfig(fields: Fields): BuildConfigFile {
  const [issue] = buildConfigSchema.safeParse(fields).error?.issues ?? [];
  if (issue) throw faultOf(issue, fields);
  // What the schema makes of the fields would lack a build argument named __proto__, which it passes over.
  const config: BuildConfigFile = fields;
  const wrong = Object.values(config.buildArgs ?? {}).find((value) => typeof value !== "string");
  if (wrong !== undefined) throw wrongKind(wrong, "buildArgs", "string");
  return config;
}

const goTypes: Readonly<Record<string, string>> = {
  string: "string",
  boolean: "bool",
  array: "[]string",
  record: "map[string]string",
};

/** The schema's issue in the words of Go's decoder. */
function faultOf(issue: z.core.$ZodIssue, fields: Fields): BuilderError {
  const [field = "", inner] = issue.path.map(String);
  const value = inner === undefined ? fields[field] : (fields[field] as Fields)[inner];
  if (issue.code === "invalid_type") return wrongKind(value, field, goTypes[issue.expected] ?? issue.expected);
  const shown = JSON.stringify(String(value).slice(0, 100));
  return fault(`platform ${shown} is not valid: expected OS/ARCH, such as linux/amd64`);
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
