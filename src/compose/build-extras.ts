import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { CacheEntry } from "../buildkit/cache-options.ts";
import type { BuildRequest } from "../buildkit/solve-request.ts";
import type { Given } from "../config.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import { BuilderError, messageOf } from "../errors.ts";
import type { Context } from "../model/context.ts";
import {
  claimOutput,
  clientOutput,
  type Fields,
  imageOutput,
  type NamedImage,
  type OutputPlaces,
} from "./build-outputs.ts";

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
type ExtraRequest = Omit<BuildRequest, "context" | "image"> & { readonly image?: NamedImage };

/**
 * Creates what turns the extras into requests. On one's own machine everything is allowed.
 * @throws BuilderError `usage`
 */
export function createExtraRequests(
  extras: BuildExtras,
  places: OutputPlaces,
): (built: Built, options: { push: boolean }) => Promise<ExtraRequest> {
  const { folder, environment } = places;
  const taken = new Set<string>();
  return async (built, options) => {
    const fill = (fields: Fields) => filled(fields, built.name);
    const outputs = (extras.outputs ?? []).map(fill);
    for (const { dest } of outputs) claimOutput(taken, dest);
    const { target, labels, ulimits, hosts, shmBytes, network, provenance, sbom, sourceDateEpoch } = extras;
    return {
      ...present({ target, labels, ulimits, hosts, shmBytes, network, provenance, sbom, sourceDateEpoch }),
      ...present({ image: imageOutput(outputs, built, options), sshAgents: extras.sshAgents }),
      exports: outputs.flatMap((output) => clientOutput(output, { image: built.image, places })),
      platforms: extras.platforms?.length ? extras.platforms : built.platforms,
      secrets: await readSecrets(built.secretFiles, { flags: extras.secrets ?? [], folder, environment }),
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

/**
 * Reads build secrets of this machine; the flags' win over the stack's.
 * @param secretFiles by id, as the stack names them
 * @param options.flags `{id, src}` or `{id, env}`
 * @throws BuilderError `usage` naming the id
 */
export async function readSecrets(
  secretFiles: Fields,
  { flags, folder, environment }: { flags: readonly Fields[]; folder: string; environment: Given },
): Promise<Readonly<Record<string, Uint8Array>>> {
  const named = Object.entries(secretFiles).map(([id, src]): Fields => ({ id, src }));
  const secrets = new Map<string, Uint8Array>();
  for (const { id = "", src, env } of [...named, ...flags]) {
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
