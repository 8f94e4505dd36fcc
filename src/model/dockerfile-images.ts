/**
 * What a Dockerfile takes from outside of its context, read without building it. Where anything cannot be told for
 * sure nothing is told: whoever asks wants to know whether an earlier image is still the right one.
 *
 * Read are FROM, COPY --from and RUN --mount=from= with the names of stages taken out, ARG before the first FROM for
 * the names in FROM, and `# syntax=`. Lines within here-documents are read like instructions: at worst an image too
 * many is named, or nothing is told.
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
  const reading: Reading = { args: new Map(), stages: new Set(), images: new Set(syntax), buildArgs, isClear: true };
  for (const line of instructions(text)) readInstruction(reading, line);
  return reading.isClear && reading.stages.size > 0 ? [...reading.images] : undefined;
}

interface Reading {
  /** Of before the first FROM. */
  readonly args: Map<string, string>;
  /** Names and numbers of the stages so far. */
  readonly stages: Set<string>;
  readonly images: Set<string>;
  readonly buildArgs: Readonly<Record<string, string>>;
  isClear: boolean;
}

/** The frontend's image, where one is named; undefined where it is another one than Docker's, or lines end unusually. */
function syntaxOf(text: string, { BUILDKIT_SYNTAX: given }: Readonly<Record<string, string>>): string[] | undefined {
  const head = text.split("\n").slice(0, 20).join("\n");
  if (/^\s*#\s*escape\s*=/im.test(head)) return undefined;
  const named = given ?? /^\s*(?:#|\/\/)\s*syntax\s*=\s*(\S+)/im.exec(head)?.[1];
  if (named === undefined) return /"syntax"|^#!/i.test(head) ? undefined : [];
  return /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]\S*)?$/.test(named) ? [named] : undefined;
}

/** Lines put together where they go on, without comments. */
function* instructions(text: string): Generator<string> {
  let begun = "";
  for (const line of text.split("\n")) {
    if (/^\s*#/.test(line)) continue;
    const goesOn = /^(.*)\\\s*$/.exec(line);
    begun += goesOn ? `${goesOn[1]} ` : line;
    if (goesOn) continue;
    yield begun.trim();
    begun = "";
  }
  yield begun.trim();
}

function readInstruction(reading: Reading, line: string): void {
  const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
  const name = word.toUpperCase() === "ONBUILD" ? "" : word.toUpperCase();
  if (name === "ARG" && reading.stages.size === 0) readArgs(reading, rest);
  else if (name === "FROM") readFrom(reading, rest);
  else if (name === "COPY") readCopy(reading, rest);
  else if (name === "RUN") readMounts(reading, rest);
  else if (name === "ADD" && /:\/\/|\$|git@|<</.test(rest)) reading.isClear = false;
}

function readArgs({ args, buildArgs }: Reading, rest: string): void {
  for (const word of rest.match(/[A-Za-z_]\w*(?:=(?:"[^"]*"|'[^']*'|\S)*)?/g) ?? []) {
    const [name = "", ...value] = word.split("=");
    const given = Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
    const text = (given ?? value.join("=")).replace(/^(["'])(.*)\1$/s, "$2");
    args.set(name, expand(text, args) ?? "$");
  }
}

function readFrom(reading: Reading, rest: string): void {
  const words = rest.split(/\s+/).filter((word) => !word.startsWith("--"));
  const image = expand(words[0] ?? "", reading.args);
  if (image === undefined || image === "") reading.isClear = false;
  else addImage(reading, image);
  reading.stages.add(String([...reading.stages].filter((stage) => /^\d+$/.test(stage)).length));
  if (/^as$/i.test(words[1] ?? "")) reading.stages.add((words[2] ?? "").toLowerCase());
}

function readCopy(reading: Reading, rest: string): void {
  const from = /(?:^|\s)--from=(\S+)/.exec(rest)?.[1];
  if (from !== undefined) addImage(reading, from);
}

function readMounts(reading: Reading, rest: string): void {
  for (const [, mount = ""] of rest.matchAll(/(?:^|\s)--mount=(\S+)/g)) {
    const from = /(?:^|,)"?from=([^,"]+)/.exec(mount)?.[1];
    if (from !== undefined) addImage(reading, from);
  }
}

function addImage(reading: Reading, name: string): void {
  if (/[$"'\\]/.test(name)) reading.isClear = false;
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
