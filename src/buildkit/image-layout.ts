/*
 * An image in a folder of OCI's layout. The daemon writes its blobs through the Content service into the store "export",
 * a name that leaves room for one such output; the index is ours to write, from what the build answers:
 * containerimage.descriptor (base64 of JSON) and image.name (several names with commas).
 */
import { mkdir } from "node:fs/promises";
import { BuilderError } from "../errors.ts";
import { BlobFolder, type Descriptor } from "./blob-folder.ts";
import type { ClientOutput } from "./exporters.ts";

/** The layout that a build writes, made ready. */
export interface Layout {
  readonly stores: ReadonlyMap<string, BlobFolder>;
  /** Puts the image into the index. */
  finish(response: Readonly<Record<string, string>>): Promise<void>;
}

const storeId = "export";
const imageNameKey = "io.containerd.image.name";

/**
 * Makes the output of this kind ready, where there is one.
 * @throws BuilderError `usage` where there are several
 */
export async function prepareLayout(outputs: readonly ClientOutput[] = []): Promise<Layout> {
  const folders = outputs.flatMap((output) => (output.type === "oci" && "folder" in output ? [output.folder] : []));
  const [path] = folders;
  if (path === undefined) return { stores: new Map(), finish: async () => undefined };
  if (folders.length > 1)
    throw new BuilderError("usage", `${folders.length} outputs of type oci go to folders; BuildKit knows one a build`);
  await mkdir(path, { recursive: true });
  const folder = new BlobFolder(path);
  return {
    stores: new Map([[storeId, folder]]),
    async finish(response) {
      const told = response["containerimage.descriptor"];
      if (told === undefined) return;
      const descriptor = JSON.parse(Buffer.from(told, "base64").toString("utf8")) as Descriptor;
      const names = response["image.name"]?.split(",") ?? [];
      if (names.length === 0) await folder.tag("latest", descriptor);
      for (const name of names) await folder.tag(tagOf(name), descriptor, { [imageNameKey]: name });
    },
  };
}

function tagOf(name: string): string {
  return /:(?<tag>[^:/]+)$/u.exec(name)?.groups?.tag ?? "latest";
}
