import { randomUUID } from "node:crypto";
import { expect, inject } from "vitest";
import type { ImageOptions, ImageOutput } from "../../src/buildkit/exporters.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

export interface Manifest {
  readonly mediaType: string;
  readonly annotations?: Record<string, string>;
  readonly config: { readonly digest: string; readonly mediaType: string };
  readonly layers: readonly {
    readonly digest: string;
    readonly mediaType: string;
    readonly annotations?: Record<string, string>;
  }[];
  readonly manifests?: readonly { readonly digest: string; readonly annotations?: Record<string, string> }[];
}

/** Reads from the suite's registry; undefined where it has no such manifest. */
export async function readManifest(repository: string, reference: string): Promise<Manifest | undefined> {
  const types = ["oci.image.manifest.v1", "oci.image.index.v1", "docker.distribution.manifest.v2"];
  const accept = types.map((type) => `application/vnd.${type}+json`).join(", ");
  const url = `http://${inject("registry")}/v2/${repository}/manifests/${reference}`;
  const response = await fetch(url, { headers: { accept } });
  return response.ok ? ((await response.json()) as Manifest) : undefined;
}

/** A Dockerfile and a file that no other build has. */
export function files(): Record<string, string> {
  return { Dockerfile: "FROM scratch\nCOPY a.txt /\n", "a.txt": `a ${randomUUID()}` };
}

/** Builds an image, pushes it to the suite's registry and reads what that has. */
export async function push(options: ImageOptions & Partial<ImageOutput>, request: Partial<BuildRequest> = {}) {
  const repository = `outputs/${randomUUID()}`;
  const names = [`${inject("registry")}/${repository}:one`];
  const built = await buildOnce({
    context: createMemoryContext(files()),
    image: { names, push: true, insecure: true, ...options },
    ...request,
  });
  expect(built.error).toBeUndefined();
  const manifest = await readManifest(repository, built.result?.digest ?? "");
  return { ...built, repository, manifest };
}
