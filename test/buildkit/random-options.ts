import type { ImageOptions } from "../../src/buildkit/exporters.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import type { Random } from "../random.ts";

/** What buildctl is told in its own words. */
export type Options = Pick<
  BuildRequest,
  "dockerfile" | "buildArgs" | "labels" | "target" | "platforms" | "ulimits" | "shmBytes" | "hosts" | "network"
>;

/** A Dockerfile on which all that is drawn below has an effect. */
export const drawnStages = [
  "FROM scratch AS first",
  "COPY . /",
  "FROM scratch AS last",
  "ARG WORD=none",
  "ARG OTHER",
  "COPY --from=first / /copy/",
  "LABEL word=$WORD other=$OTHER",
];
const drawnWords = ["", "1", "two words", "é", "a=b", "c,d", "日本", "'q'", "$HOME"];

/** Draws options of a build; each is there or not. */
export function drawOptions(random: Random): Options {
  const words = (names: readonly string[]) => {
    const drawn = names.filter(() => random.oneIn(2)).map((name) => [name, random.pick(drawnWords)]);
    return Object.fromEntries(drawn) as Record<string, string>;
  };
  const platforms = random.pick([["linux/amd64"], ["linux/arm64"], ["linux/amd64", "linux/arm/v7"]]);
  return {
    buildArgs: words(["WORD", "OTHER"]),
    labels: words(["com.example.a", "b", "word"]),
    ...(random.oneIn(2) && { target: random.pick(["first", "last"]) }),
    ...(random.oneIn(2) && { platforms }),
  };
}

/** Draws how an image is packed, and what it says of itself. */
export function drawImage(random: Random): ImageOptions {
  const compression = random.pick(["gzip", "zstd", "estargz", "uncompressed"] as const);
  // Docker's own media types know neither the other ways to pack nor annotations.
  const takesDocker = compression === "gzip" || compression === "uncompressed";
  const ociMediaTypes = !takesDocker || random.oneIn(2);
  const annotations = { "org.example.a": random.pick(["1", "two words", "é", "a=b"]), "manifest:b": "2" };
  return {
    compression,
    ociMediaTypes,
    // Else the folder that COPY makes has the time of the build, and no two builds are the same.
    rewriteTimestamp: true,
    ...(compression === "gzip" && random.oneIn(2) && { compressionLevel: 1 + random.below(9) }),
    ...(compression === "zstd" && random.oneIn(2) && { compressionLevel: 1 + random.below(19) }),
    ...(compression !== "uncompressed" && random.oneIn(4) && { forceCompression: true }),
    ...(ociMediaTypes && random.oneIn(2) && { annotations }),
  };
}
