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
 * Parses the config of a build as the Go programs did that this API comes from: keys in any case, unknown ones (such as
 * `frontend`) are ignored; of a text given several times the last one counts, maps given several times are joined, null
 * empties a list or a map and is nothing else; a wrong kind counts wherever it stands. Their error texts are kept.
 * @throws BuilderError `body_invalid`, or `name_invalid` for the image
 */
export function parseBuildConfig(text: string): BuildConfig {
  const { image: newName, ref, buildArgs = {}, platforms = [], skipPush = false } = checkConfig(decodeConfig(text));
  const image = newName || ref || "";
  if (image === "") {
    throw fault("no target reference to push", 'Name the image as "image" (or "ref") in the config.');
  }
  const asked = platforms.filter((platform) => platform !== "");
  return { image, pushName: checkImageName(image.toLowerCase()), buildArgs, platforms: asked, push: !skipPush };
}

/** The fields with what decodes one more value, as JSON text, beside the one that the field has already. */
const decoders: {
  readonly [Name in keyof BuildConfigFile]-?: (
    source: string,
    earlier: BuildConfigFile[Name],
  ) => BuildConfigFile[Name] | undefined;
} = {
  image: (source, earlier) => textOf(JSON.parse(source), "image") ?? earlier,
  ref: (source, earlier) => textOf(JSON.parse(source), "ref") ?? earlier,
  buildArgs: decodeArgs,
  platforms: decodePlatforms,
  skipPush(source, earlier) {
    const value: unknown = JSON.parse(source);
    if (value !== null && typeof value !== "boolean") throw wrongKind(value, "skipPush", "bool");
    return value ?? earlier;
  },
};

const names = new Map(Object.keys(decoders).map((name) => [foldKey(name), name as keyof BuildConfigFile]));

function decodeConfig(text: string): BuildConfigFile {
  const value = parseJson(text);
  if (value === null) return {};
  if (kindOf(value) !== "object")
    throw fault(`json: cannot unmarshal ${kindOf(value)} into Go value of type buildConfig`);
  const config: Record<string, unknown> = {};
  for (const [key, source] of membersOf(text)) {
    const name = names.get(foldKey(key));
    if (name !== undefined) config[name] = (decoders[name] as (...given: unknown[]) => unknown)(source, config[name]);
  }
  return config;
}

/** As Go folds letters: beside those of ASCII there are a K (the sign of Kelvin) and an s (the long one). */
function foldKey(key: string): string {
  return key.toLowerCase().replaceAll("\u017f", "s");
}

/** @returns undefined for null */
function textOf(value: unknown, field: string): string | undefined {
  if (value !== null && typeof value !== "string") throw wrongKind(value, field, "string");
  return value ?? undefined;
}

function decodeArgs(source: string, earlier: BuildConfigFile["buildArgs"]): BuildConfigFile["buildArgs"] {
  const value: unknown = JSON.parse(source);
  if (value === null) return undefined;
  if (kindOf(value) !== "object") throw wrongKind(value, "buildArgs", "map[string]string");
  // Without prototype: a key named __proto__ is a key like any other.
  const args: Record<string, string> = Object.assign(Object.create(null), earlier);
  for (const [key, item] of membersOf(source)) args[key] = textOf(JSON.parse(item), "buildArgs") ?? "";
  return args;
}

/** Go reuses the list that is there: null leaves what stands at its place. */
function decodePlatforms(source: string, earlier: BuildConfigFile["platforms"]): BuildConfigFile["platforms"] {
  const value: unknown = JSON.parse(source);
  if (value === null) return undefined;
  if (!Array.isArray(value)) throw wrongKind(value, "platforms", "[]string");
  return value.map((item: unknown, at) => textOf(item, "platforms") ?? earlier?.[at] ?? "");
}

/** Holds what was decoded against the schema; its kinds are right by now. */
function checkConfig(config: BuildConfigFile): BuildConfigFile {
  const [issue] = buildConfigSchema.safeParse(config).error?.issues ?? [];
  if (!issue) return config;
  const shown = JSON.stringify(config.platforms?.[Number(issue.path[1])]?.slice(0, 100));
  throw fault(`platform ${shown} is not valid: expected OS/ARCH, such as linux/amd64`);
}

/**
 * The members of an object's text, the value as text, in their order; JSON.parse alone would move a repeated key to its
 * first place, and forget its first value.
 */
function membersOf(text: string): readonly (readonly [key: string, source: string])[] {
  return splitMembers(text).map((member) => {
    const end = endOfString(member, member.indexOf('"'));
    return [JSON.parse(member.slice(0, end)), member.slice(member.indexOf(":", end) + 1)];
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
