import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { CacheEntry } from "../buildkit/cache-options.ts";
import type { ClientOutput, ImageOutput } from "../buildkit/exporters.ts";
import type { BuildRequest } from "../buildkit/solve-request.ts";
import type { Given } from "../config.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import { BuilderError, messageOf } from "../errors.ts";
import type { Context } from "../model/context.ts";

/** Fields as buildctl and buildx take them, "type=oci,dest=x". `{name}` in a value stands for the function. */
export type Fields = Readonly<Record<string, string>>;

/** What a person asks of the builds of a folder beyond what its stack says. Nothing where a field is absent. */
export interface BuildExtras {
  readonly outputs?: readonly Fields[];
  readonly secrets?: readonly Fields[];
  /** Paths of agents' sockets by their id. */
  readonly sshAgents?: Fields;
  readonly platforms?: readonly string[];
  readonly target?: string;
  readonly labels?: Fields;
  readonly cacheFrom?: readonly Fields[];
  readonly cacheTo?: readonly Fields[];
  /** Named contexts: folders, or addresses. */
  readonly contexts?: Fields;
  readonly ulimits?: Fields;
  readonly hosts?: Fields;
  readonly shmBytes?: number;
  readonly network?: "none" | "host";
  readonly provenance?: "min" | "max";
  readonly sbom?: true | { readonly generator: string };
  readonly sourceDateEpoch?: number;
}

/** The function that is built. */
interface Built {
  readonly name: string;
  readonly image: string;
  readonly platforms: readonly string[];
  /** Files of secrets by id, as the stack names them. */
  readonly secretFiles: Fields;
}

/** The request that the extras make, without what every build has. `image` absent: none is made. */
type ExtraRequest = Omit<BuildRequest, "context" | "image"> & { readonly image?: ImageOutput };

/**
 * Creates what turns the extras into requests. On one's own machine everything is allowed; files and folders are named
 * relative to the current one.
 */
export function createExtraRequests(
  extras: BuildExtras,
  { folder, environment }: { folder: string; environment: Given },
): (built: Built, push: { push: boolean; insecure: boolean }) => Promise<ExtraRequest> {
  const taken = new Set<string>();
  return async (built, push) => {
    const fill = (fields: Fields) => filled(fields, built.name);
    const outputs = (extras.outputs ?? []).map(fill);
    for (const { dest } of outputs) claim(taken, dest);
    const { target, labels, ulimits, hosts, shmBytes, network, provenance, sbom, sourceDateEpoch } = extras;
    return {
      ...present({ target, labels, ulimits, hosts, shmBytes, network, provenance, sbom, sourceDateEpoch }),
      ...present({ image: imageOf(outputs, built, push), sshAgents: extras.sshAgents }),
      exports: outputs.flatMap((output) => clientOutput(output, { image: built.image, folder })),
      platforms: extras.platforms?.length ? extras.platforms : built.platforms,
      secrets: await readSecrets(built, { extras, folder, environment }),
      cacheFrom: (extras.cacheFrom ?? []).map((fields) => cacheEntry(fill(fields), folder)),
      cacheTo: (extras.cacheTo ?? []).map((fields) => cacheEntry(fill(fields), folder)),
      namedContexts: Object.fromEntries(
        Object.entries(fill(extras.contexts ?? {})).map(([name, place]) => [name, namedContext(place, folder)]),
      ),
      policy: { remoteContexts: true, hostNetwork: true, frontends: true },
    };
  };
}

/** Whether the extras ask for nothing. */
export function isPlain(extras: BuildExtras): boolean {
  return Object.values(extras).every(
    (value) => value === undefined || (typeof value === "object" && Object.keys(value).length === 0),
  );
}

function filled(fields: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value.replaceAll("{name}", name)]));
}

/** Two functions must not write to one place. */
function claim(taken: Set<string>, dest: string | undefined): void {
  if (dest === undefined) return;
  if (taken.has(dest))
    throw new BuilderError("usage", `--output: "${dest}" is the destination of several functions`, {
      fix: "Put {name} into it: it stands for the function's name.",
    });
  taken.add(dest);
}

/** Without outputs the image is made as always; with some, where one of them is an image or it is to be pushed. */
function imageOf(
  outputs: readonly Fields[],
  { image }: Built,
  { push, insecure }: { push: boolean; insecure: boolean },
): ImageOutput | undefined {
  const output = outputs.find(({ type }) => type === "image" || type === "registry");
  if (output === undefined) return outputs.length > 0 && !push ? undefined : { names: [image], push, insecure };
  const { type, name, dest: _dest, push: wants, ...attrs } = output;
  return { names: [name ?? image], push: push || type === "registry" || wants === "true", insecure, attrs };
}

function clientOutput(
  { type = "local", dest, name, ...attrs }: Fields,
  { image, folder }: { image: string; folder: string },
): readonly ClientOutput[] {
  if (type === "image" || type === "registry") return [];
  if (dest === undefined) throw new BuilderError("usage", `--output type=${type}: expected dest=PATH`);
  const to = resolve(folder, dest);
  if (type === "local") return [{ type, folder: to, attrs }];
  if (type === "tar") return [{ type, to, attrs }];
  if (type === "oci" || type === "docker") return [{ type, to, names: [name ?? image], attrs }];
  throw new BuilderError("usage", `--output type=${type}: expected local, tar, oci, docker, image or registry`);
}

/** The flags' secrets win over the stack's. */
async function readSecrets(
  { secretFiles }: Built,
  { extras, folder, environment }: { extras: BuildExtras; folder: string; environment: Given },
): Promise<Readonly<Record<string, Uint8Array>>> {
  const named = Object.entries(secretFiles).map(([id, src]): Fields => ({ id, src }));
  const secrets = new Map<string, Uint8Array>();
  for (const { id = "", src, env } of [...named, ...(extras.secrets ?? [])]) {
    const variable = env ?? (src === undefined ? id : undefined);
    secrets.set(
      id,
      variable === undefined
        ? await readSecret(id, resolve(folder, src ?? ""))
        : fromEnvironment(id, variable, environment),
    );
  }
  return Object.fromEntries(secrets);
}

async function readSecret(id: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new BuilderError("usage", `build secret "${id}": ${messageOf(cause)}`, {
      cause,
      fix: "Name a file that exists.",
    });
  }
}

function fromEnvironment(id: string, variable: string, environment: Given): Uint8Array {
  const value = environment[variable];
  if (value === undefined)
    throw new BuilderError("usage", `build secret "${id}": the environment has no "${variable}"`);
  return Buffer.from(value);
}

function cacheEntry({ type = "registry", ...attrs }: Fields, folder: string): CacheEntry {
  const local = (name: string) =>
    type === "local" && attrs[name] !== undefined ? { [name]: resolve(folder, attrs[name]) } : {};
  return { type, attrs: { ...attrs, ...local("src"), ...local("dest") } };
}

/** What has a scheme or looks like git's short form is an address, everything else a folder. */
function namedContext(place: string, folder: string): Context | string {
  if (/^[a-z][a-z0-9+-]*:\/\/|^git@/iu.test(place)) return place;
  const path = resolve(folder, place);
  return createDirectoryContext(path, { within: path, links: "keep" });
}

/** Leaves out what is undefined. */
function present<T extends object>(fields: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
