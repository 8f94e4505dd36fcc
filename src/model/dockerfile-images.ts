import { readLines, splitFlags } from "./dockerfile-lines.ts";

/**
 * What a Dockerfile takes from outside of its context, read without building it. Where anything cannot be told for
 * sure nothing is told: whoever asks wants to know whether an earlier image is still the right one.
 *
 * Read are FROM, COPY --from and RUN --mount=from= with the names of stages taken out, ARG before the first FROM for
 * the names in FROM, and `# syntax=`. What triggers a base image has left behind (ONBUILD) is not known here.
 * @param buildArgs win over the defaults of ARG
 * @returns names of images as written, each once; undefined where something comes from an address (ADD), where a name
 *   holds a variable that is not known, or where another language than Dockerfile's own may be spoken
 */
export function imagesOfDockerfile(
  text: string,
  buildArgs: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  const syntax = syntaxOf(text, buildArgs);
  if (syntax === undefined) return undefined;
  const reading: Reading = {
    ...{ args: new Map(), stages: new Set(), count: 0, images: new Set(syntax) },
    ...{ buildArgs, isClear: true },
  };
  for (const line of readLines(text)) {
    if (line === undefined) reading.isClear = false;
    else readInstruction(reading, line);
  }
  return reading.isClear && reading.count > 0 ? [...reading.images] : undefined;
}

interface Reading {
  /** Of before the first FROM. */
  readonly args: Map<string, string>;
  /** Names of the stages so far. */
  readonly stages: Set<string>;
  /** How many stages there are so far. */
  count: number;
  readonly images: Set<string>;
  readonly buildArgs: Readonly<Record<string, string>>;
  isClear: boolean;
}

/** The frontend's image, where one is named; undefined where it is another one than Docker's, or lines end unusually. */
function syntaxOf(text: string, { BUILDKIT_SYNTAX: given }: Readonly<Record<string, string>>): string[] | undefined {
  // Line by line: an expression with lines of its own would look at each of a million CR as a beginning.
  const head = text.split("\n", 20);
  if (head.some((line) => /^\s*#\s*escape\s*=/i.test(line))) return undefined;
  const [written] = head.flatMap((line) => /^\s*(?:#|\/\/)\s*syntax\s*=\s*(\S+)/i.exec(line)?.[1] ?? []);
  const named = given ?? written;
  if (named === undefined) return /"syntax"|^#!/i.test(head.join("\n")) ? undefined : [];
  return /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]\S*)?$/.test(named) ? [named] : undefined;
}

function readInstruction(reading: Reading, line: string): void {
  const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
  const name = word.toUpperCase();
  if (name === "ARG" && reading.count === 0) readArgs(reading, rest);
  else if (name === "FROM") readFrom(reading, rest);
  else if (name === "COPY") readCopy(reading, rest);
  else if (name === "RUN") readMounts(reading, rest);
  else if (name === "ADD") readAdd(reading, rest);
}

function readArgs({ args, buildArgs }: Reading, rest: string): void {
  for (const word of rest.match(/[A-Za-z_]\w*(?:=(?:"[^"]*"|'[^']*'|\S)*)?/g) ?? []) {
    const [name = "", ...value] = word.split("=");
    const given = Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
    const text = (given ?? value.join("=")).replace(/^(["'])(.*)\1$/s, "$2");
    args.set(name, expand(text, args) ?? "$");
  }
}

function readFrom(reading: Reading, text: string): void {
  const [name = "", as = "", stage = ""] = splitFlags(text).rest.split(/\s+/);
  const image = expand(name, reading.args);
  if (image === undefined || image === "") reading.isClear = false;
  else addImage(reading, image);
  reading.count += 1;
  if (/^as$/i.test(as)) reading.stages.add(stage.toLowerCase());
}

/** A number is the stage of that number. */
function readCopy(reading: Reading, rest: string): void {
  for (const flag of splitFlags(rest).flags) {
    const from = /^--from=(.*)$/s.exec(flag)?.[1] ?? "";
    if (from !== "" && !(/^\d+$/.test(from) && Number(from) < reading.count)) addImage(reading, from);
  }
}

/** Fields between commas, their keys in any case. Quotes that are left here are those of CSV. */
function readMounts(reading: Reading, rest: string): void {
  for (const flag of splitFlags(rest).flags) {
    const mount = /^--mount=(.*)$/s.exec(flag)?.[1] ?? "";
    if (mount.includes('"') && /from/i.test(mount)) reading.isClear = false;
    for (const field of mount.split(",")) {
      const from = /^from=(.*)$/is.exec(field)?.[1] ?? "";
      if (from !== "") addImage(reading, from);
    }
  }
}

/**
 * Addresses are `SCHEME://…` and scp's `USER@HOST:PATH`. Quotes and backslashes, of which one could be made up, are
 * clear only around the texts of a JSON list.
 */
function readAdd(reading: Reading, rest: string): void {
  const words = splitFlags(rest).rest;
  const plain = words.startsWith("[") ? words.replaceAll('"', "") : words;
  if (/:\/\/|@[^\s,@]*:|<<|[$"'\\]/.test(plain)) reading.isClear = false;
}

function addImage(reading: Reading, name: string): void {
  if (/[$"'\\\s]/.test(name)) reading.isClear = false;
  else if (name !== "scratch" && !reading.stages.has(name.toLowerCase())) reading.images.add(name);
}

/** Set by BuildKit itself, differently for each platform. */
const platformArg = /^(?:TARGET|BUILD)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT|STAGE)$/;

/** Variables by their values; undefined where one is not known. */
function expand(text: string, args: ReadonlyMap<string, string>): string | undefined {
  const filled = text.replaceAll(/\$(?:\w+|\{\w+(?::-[^${}]*)?\})/g, (variable) => {
    const [, name = "", fallback = "$"] = /^\$\{?(\w+)(?::-(.*))?\}?$/.exec(variable.replace(/\}$/, "")) ?? [];
    return platformArg.test(name) ? "$" : args.get(name) || fallback;
  });
  return filled.includes("$") ? undefined : filled;
}
