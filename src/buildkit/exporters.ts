import type { Writable } from "node:stream";
import type { Exporter } from "./generated/control.ts";

/** How layers are packed and what the image says of itself; BuildKit's own choice where a field is absent. */
export interface ImageOptions {
  /** estargz needs `ociMediaTypes`. */
  readonly compression?: "gzip" | "zstd" | "estargz" | "uncompressed";
  readonly compressionLevel?: number;
  /** Packs the layers of the base image anew, too. */
  readonly forceCompression?: boolean;
  readonly ociMediaTypes?: boolean;
  /** Of the manifest; a key may begin with BuildKit's "manifest-descriptor:", "index:" and the like. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Sets the times of files in new layers that are later than the build's `sourceDateEpoch` to it. */
  readonly rewriteTimestamp?: boolean;
  /** Further attributes of the exporter, in BuildKit's own words. */
  readonly attrs?: Readonly<Record<string, string>>;
}

/** An image in the daemon's store, and from there in registries. */
export interface ImageOutput extends ImageOptions {
  /** Full names, "HOST/REPOSITORY:TAG". */
  readonly names: readonly string[];
  readonly push: boolean;
  /** The registry speaks plain HTTP. */
  readonly insecure: boolean;
  /** Pushes without a tag. */
  readonly pushByDigest?: boolean;
}

/** What the daemon sends back to us. */
export type ClientOutput =
  | (ImageOptions & {
      /** An image as a tar: OCI's layout, or what `docker load` takes. */
      readonly type: "oci" | "docker";
      readonly names?: readonly string[];
      readonly to: TarTarget;
      /** What is written to is a Docker engine: one that builds by itself puts the image into its own store instead. */
      readonly isEngine?: boolean;
    })
  | (ImageOptions & {
      /** An image in a folder of OCI's layout; other images there stay. One at most. */
      readonly type: "oci";
      readonly names?: readonly string[];
      readonly folder: string;
    })
  | {
      /** The files of the image as one tar. */
      readonly type: "tar";
      readonly to: TarTarget;
      readonly attrs?: Readonly<Record<string, string>>;
    }
  | {
      /** The files of the image in a folder. */
      readonly type: "local";
      readonly folder: string;
      /** What is there and not in the image: it stays unless it is in the way (copy, the default), or is deleted. */
      readonly mode?: "copy" | "delete";
      readonly attrs?: Readonly<Record<string, string>>;
    };

/** A file's path, which appears when it is complete; or what opens the place that the bytes go to, ended by us. */
export type TarTarget = string | (() => Promise<Writable>);

/** Says the outputs of a build in BuildKit's words. The client's come first: the daemon knows them by their place. */
export function createExporters(outputs: {
  exports?: readonly ClientOutput[];
  image?: ImageOutput | undefined;
}): Exporter[] {
  const exporters = (outputs.exports ?? []).map(clientExporter);
  return outputs.image === undefined ? exporters : [...exporters, imageExporter(outputs.image)];
}

function clientExporter(output: ClientOutput): Exporter {
  if (output.type === "tar") return { type: output.type, attrs: { ...output.attrs } };
  if (output.type === "local") {
    const { type, mode, attrs } = output;
    return { type, attrs: { ...attrs, ...(mode !== undefined && { mode }) } };
  }
  const attrs = imageAttrs(output);
  if ("folder" in output) attrs.tar = "false";
  if (output.names !== undefined && output.names.length > 0) attrs.name = output.names.join(",");
  return { type: output.type, attrs };
}

function imageExporter(image: ImageOutput): Exporter {
  const attrs: Record<string, string> = { ...imageAttrs(image), name: image.names.join(",") };
  if (image.push) attrs.push = "true";
  if (image.insecure) attrs["registry.insecure"] = "true";
  if (image.pushByDigest === true) attrs["push-by-digest"] = "true";
  return { type: "image", attrs };
}

function imageAttrs(options: ImageOptions): Record<string, string> {
  const { compression, compressionLevel, forceCompression, ociMediaTypes, rewriteTimestamp } = options;
  const attrs: Record<string, string> = { ...options.attrs };
  if (compression !== undefined) attrs.compression = compression;
  if (compressionLevel !== undefined) attrs["compression-level"] = String(compressionLevel);
  if (forceCompression !== undefined) attrs["force-compression"] = String(forceCompression);
  if (ociMediaTypes !== undefined) attrs["oci-mediatypes"] = String(ociMediaTypes);
  if (rewriteTimestamp !== undefined) attrs["rewrite-timestamp"] = String(rewriteTimestamp);
  for (const [name, value] of Object.entries(options.annotations ?? {})) attrs[annotationKey(name)] = value;
  return attrs;
}

/** "index:org.example" -> "annotation-index.org.example", "org.example" -> "annotation.org.example". */
function annotationKey(name: string): string {
  const [, level, key] = /^(manifest|index|manifest-descriptor|index-descriptor):(.*)$/su.exec(name) ?? [];
  return level === undefined ? `annotation.${name}` : `annotation-${level}.${key}`;
}
