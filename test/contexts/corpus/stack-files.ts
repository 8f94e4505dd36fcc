import { chmod, link, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** One thing of a folder on disk. In a text and in a link's target `ROOT` stands for the folder's own absolute path. */
export type Thing =
  | string
  | { readonly content: string | Buffer; readonly mode: number }
  | { readonly folder: number }
  | { readonly link: string }
  | { readonly hardLinkTo: string };

/** A stack and all that it is made of, by path. `%XX` in a path is a byte. */
export interface CorpusStack {
  readonly name: string;
  readonly files: Readonly<Record<string, Thing>>;
}

interface Definition {
  /** By name; `lang` is dockerfile where it is not said. */
  readonly functions: Readonly<Record<string, { lang?: string; handler: string; more?: string }>>;
  readonly copy?: readonly string[];
  readonly files: Readonly<Record<string, Thing>>;
  readonly stackFile?: string;
}

/** faas-cli wants this folder to be there even for functions with a Dockerfile of their own. */
const dockerfileTemplate = { "template/dockerfile/template.yml": "language: dockerfile\n" };

/** Defines a stack by its functions and files. */
export function stack(name: string, { functions, copy = [], files, stackFile = "stack.yml" }: Definition): CorpusStack {
  const lines = Object.entries(functions).map(
    ([key, { lang = "dockerfile", handler, more = "" }]) =>
      `  ${key}:\n    lang: ${lang}\n    handler: ${JSON.stringify(handler)}\n    image: corpus/${key}:1\n${more}`,
  );
  const extra = copy.map((path) => `    - ${JSON.stringify(path)}\n`).join("");
  const configuration = extra === "" ? "" : `configuration:\n  copy:\n${extra}`;
  const text = `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${lines.join("")}${configuration}`;
  return { name, files: { [stackFile]: text, ...dockerfileTemplate, ...files } };
}

/** A template's files; `more` are further ones, relative to its folder. */
export function template(
  lang: string,
  more: Readonly<Record<string, Thing>> = {},
  handlerFolder = "",
): Record<string, Thing> {
  const folder = handlerFolder === "" ? "" : `handler_folder: ${handlerFolder}\n`;
  const files = { "template.yml": `language: ${lang}\n${folder}`, Dockerfile: "FROM scratch\nCOPY . /\n", ...more };
  return Object.fromEntries(Object.entries(files).map(([path, thing]) => [`template/${lang}/${path}`, thing]));
}

/** Writes a stack's files, modes exactly as given whatever the umask is. */
export async function writeStack({ files }: CorpusStack, folder: string): Promise<void> {
  for (const [path, thing] of Object.entries(files)) {
    const place = placeOf(folder, path);
    await mkdir(placeOf(folder, dirname(path)), { recursive: true });
    await writeThing(thing, { place, folder });
  }
  // Last, as nothing could be written into a folder that allows no writing.
  for (const [path, thing] of Object.entries(files)) {
    if (typeof thing !== "string" && "folder" in thing) await chmod(placeOf(folder, path), thing.folder);
  }
}

async function writeThing(thing: Thing, { place, folder }: { place: Buffer; folder: string }): Promise<void> {
  if (typeof thing === "string") {
    await writeFile(place, thing.replaceAll("ROOT", folder));
    await chmod(place, 0o644);
  } else if ("content" in thing) {
    await writeFile(place, thing.content);
    await chmod(place, thing.mode);
  } else if ("folder" in thing) {
    await mkdir(place, { recursive: true });
  } else if ("link" in thing) {
    await symlink(thing.link.replace("ROOT", folder), place);
  } else {
    await link(join(folder, thing.hardLinkTo), place);
  }
}

function placeOf(folder: string, path: string): Buffer {
  const bytes = path
    .split(/%([0-9A-F]{2})/)
    .map((part, at) => (at % 2 === 0 ? Buffer.from(part) : Buffer.from(part, "hex")));
  return Buffer.concat([Buffer.from(`${folder}/`), ...bytes]);
}
