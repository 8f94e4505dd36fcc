import { relative, resolve } from "node:path";
import { Writable } from "node:stream";
import type { ClientOutput, ImageOutput, TarTarget } from "../buildkit/exporters.ts";
import type { Given } from "../config.ts";
import { BuilderError } from "../errors.ts";
import { dockerHost } from "./docker-host.ts";

/** Fields as buildctl and buildx take them, "type=oci,dest=x". `{name}` in a value stands for the function. */
export type Fields = Readonly<Record<string, string>>;

/** Where outputs go to. */
export interface OutputPlaces {
  /** Files and folders are named relative to it. */
  readonly folder: string;
  readonly environment: Given;
  /** Takes the output whose destination is "-"; it is not ended. */
  readonly standardOutput: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/**
 * Keeps two functions from writing to one place.
 * @param taken what was claimed before; grows
 * @throws BuilderError `usage`
 */
export function claimOutput(taken: Set<string>, dest: string | undefined): void {
  if (dest === undefined) return;
  if (taken.has(dest))
    throw new BuilderError("usage", `--output: "${dest}" is the destination of several functions`, {
      fix:
        dest === "-"
          ? "Choose one function with --filter: the standard output takes one tar."
          : "Put {name} into it: it stands for the function's name.",
    });
  taken.add(dest);
}

/** An image to make; how its registries are spoken to is not known yet. */
export type NamedImage = Omit<ImageOutput, "insecure">;

/** Without outputs the image is made as always; with some, where one of them is an image or it is to be pushed. */
export function imageOutput(
  outputs: readonly Fields[],
  { image }: { image: string },
  { push }: { push: boolean },
): NamedImage | undefined {
  const output = outputs.find(({ type }) => type === "image" || type === "registry");
  if (output === undefined) return outputs.length > 0 && !push ? undefined : { names: [image], push };
  const { type, name, dest: _dest, push: wants, ...attrs } = output;
  return { names: namesOf(name, image), push: push || type === "registry" || wants === "true", attrs };
}

/**
 * Finds out whether the registries that an image goes to are spoken to over plain HTTP, unless its fields say it.
 * @throws BuilderError `usage` where some are and some are not: BuildKit takes one answer for all
 */
export async function withTransport(
  image: NamedImage,
  isInsecure: (name: string) => Promise<boolean>,
): Promise<ImageOutput> {
  const said = image.attrs?.["registry.insecure"];
  if (!image.push || said !== undefined) return { ...image, insecure: image.push && said === "true" };
  const plain = await Promise.all(image.names.map(isInsecure));
  const insecure = plain.includes(true);
  if (insecure && plain.includes(false))
    throw new BuilderError("usage", `--output name=${image.names.join()}: not all registries speak plain HTTP`, {
      fix: "Push to those that do and to those that do not by a command each.",
    });
  return { ...image, insecure };
}

/** Several names of one image are parted by commas, as BuildKit has them. */
function namesOf(names: string | undefined, image: string): readonly string[] {
  return names?.split(",").map((name) => name.trim()) ?? [image];
}

/**
 * Reads an output that comes back to us.
 * @returns none for an image
 * @throws BuilderError `usage`
 */
export function clientOutput(
  { type = "local", dest, name, ...attrs }: Fields,
  { image, places }: { image: string; places: OutputPlaces },
): readonly ClientOutput[] {
  if (type === "image" || type === "registry") return [];
  const names = namesOf(name, image);
  if (type === "docker" && dest === undefined) return [{ type, to: engineOf(places), isEngine: true, names, attrs }];
  if (dest === undefined) throw new BuilderError("usage", `--output type=${type}: expected dest=PATH`);
  const path = resolve(places.folder, dest);
  if (type === "local") return [localOutput(path, attrs, places)];
  const { tar, ...rest } = attrs;
  if (type === "oci" && tar === "false") return [{ type, folder: path, names, attrs: rest }];
  return [
    tarOutput(type, { to: dest === "-" ? async () => unended(places.standardOutput) : path, names, attrs: rest }),
  ];
}

function tarOutput(type: string, output: { to: TarTarget; names: readonly string[]; attrs: Fields }): ClientOutput {
  if (type === "tar") return { type, to: output.to, attrs: output.attrs };
  if (type === "oci" || type === "docker") return { type, ...output };
  throw new BuilderError("usage", `--output type=${type}: expected local, tar, oci, docker, image or registry`);
}

function localOutput(to: string, { mode = "copy", ...attrs }: Fields, { folder }: OutputPlaces): ClientOutput {
  if (mode !== "copy" && mode !== "delete")
    throw new BuilderError("usage", `--output mode=${mode}: expected copy or delete`);
  if (mode === "delete" && !relative(to, folder).startsWith(".."))
    throw new BuilderError("usage", `--output mode=delete: "${to}" holds the current folder, which would be deleted`, {
      fix: "Name a folder that is there for the output alone.",
    });
  return { type: "local", folder: to, mode, attrs };
}

/** The person's Docker engine, asked when the image comes. */
function engineOf({ environment, signal }: OutputPlaces): () => Promise<Writable> {
  const engine = dockerHost(environment);
  return async () => (await import("../buildkit/engine-load.ts")).openImageLoad(engine, { signal });
}

/** Hands all on and leaves the stream itself open. */
function unended(stream: NodeJS.WritableStream): Writable {
  return new Writable({ write: (chunk, _encoding, done) => void stream.write(chunk, done) });
}
