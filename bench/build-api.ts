import { execFile } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { alternate } from "./alternate.ts";
import { type Content, writeBenchArchive } from "./build-archives.ts";
import { measureCrowd } from "./build-crowd.ts";
import { type BuildServer, startBuildServer } from "./build-server.ts";
import { prune, type RealParts, startRealParts } from "./real-parts.ts";
import { type Bench, createRow, type Row } from "./result.ts";

const run = promisify(execFile);
const bars = { large: 0.6, many: 0.6, tiny: 1.15 };
const rounds = { large: 9, many: 7, tiny: 11 };

/**
 * A step sees all files where BuildKit keeps the context, and none goes into the image: copying files into a layer,
 * packing and pushing it takes both sides the same many seconds, and would hide what differs.
 */
const readAll = `FROM busybox AS use
RUN --mount=type=bind,target=/src find /src -type f | wc -l > /count
FROM scratch
COPY --from=use /count /
`;
const tiny = "FROM busybox\nCOPY data /data\n";

interface Scene {
  readonly parts: RealParts;
  readonly server: BuildServer;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * POST /build beside what a person would do by hand with the same archive: `tar x` to a folder, and `buildctl build` of
 * that. Both use one BuildKit and one registry.
 */
export const buildApi: Bench = {
  about: "POST /build, beside tar x and buildctl build; 50 clients at once",
  async run({ tell, signal }): Promise<readonly Row[]> {
    tell("starting buildkitd, a registry and the server");
    await using parts = await startRealParts();
    return [...(await uploadRows({ parts, tell, signal })), ...(await crowdRows({ parts, tell, signal }))];
  },
};

async function uploadRows(beginning: Omit<Scene, "server">): Promise<readonly Row[]> {
  await using server = await startBuildServer(beginning.parts, { max_body_bytes: String(4 * 1024 ** 3) });
  const scene = { ...beginning, server };
  const large = { count: 1, bytes: 1024 ** 3, rounds: rounds.large, bar: bars.large };
  const many = { count: 50_000, bytes: 4096, rounds: rounds.many, bar: bars.many };
  return [
    await measureUpload("1 GiB tar", large, scene),
    await measureUpload("50 000 × 4 KiB tar", many, scene),
    await measureTiny(scene),
  ];
}

/** By a server of their own: how much memory a large upload takes is what `build-memory` measures. */
async function crowdRows(beginning: Omit<Scene, "server">): Promise<readonly Row[]> {
  await using server = await startBuildServer(beginning.parts);
  return await measureCrowd({ ...beginning, server });
}

async function measureUpload(
  what: string,
  { count, bytes, rounds: times, bar }: { count: number; bytes: number; rounds: number; bar: number },
  scene: Scene,
): Promise<Row> {
  const image = `${scene.parts.registry}/bench/upload:latest`;
  const compared = await compareSides(
    what,
    { rounds: times, fresh: true },
    { scene, content: { dockerfile: readAll, image, count, bytes } },
  );
  return createRow(what, compared, { unit: "s", bar });
}

async function measureTiny(scene: Scene): Promise<Row> {
  const image = `${scene.parts.registry}/bench/tiny:latest`;
  const content = { dockerfile: tiny, image, count: 3, bytes: 1000 };
  await writeBenchArchive(archiveOf(scene), content, scene.signal);
  const compared = await compareSides("tiny, warm", { rounds: rounds.tiny, fresh: false }, { scene, content });
  return createRow("tiny build, warm", compared, { unit: "s", bar: bars.tiny });
}

/** Measures both sides in turn; with `fresh` each run has a new archive, and a daemon that keeps nothing of the last. */
async function compareSides(
  what: string,
  { rounds: times, fresh }: { rounds: number; fresh: boolean },
  { scene, content }: { scene: Scene; content: Content },
) {
  const folder = join(scene.parts.folder, "extracted");
  const empty = async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
  };
  if (!fresh) {
    await empty();
    await extract(scene, folder);
  }
  const side = (name: "ours" | "peer") => async (round: number) => {
    if (fresh) {
      await writeBenchArchive(archiveOf(scene), content, scene.signal);
      await empty();
    }
    const startedAt = performance.now();
    if (name === "ours") await post(scene);
    else await buildByHand(scene, { folder, fresh, image: content.image });
    const seconds = (performance.now() - startedAt) / 1000;
    if (fresh) await prune(scene.parts, scene);
    scene.tell(`${what}, ${round === 0 ? "warm-up" : `run ${round}`}, ${name}: ${seconds.toFixed(3)} s`);
    return seconds;
  };
  return alternate(times, { ours: side("ours"), peer: side("peer") });
}

function archiveOf({ parts }: Scene): string {
  return join(parts.folder, "archive.tar");
}

/** Sends the archive as a script would. @throws Error when there is no digest in the answer */
async function post(scene: Scene): Promise<void> {
  const args = [
    "--silent",
    "--show-error",
    "-X",
    "POST",
    "-H",
    "Expect:",
    "-T",
    archiveOf(scene),
    `${scene.server.url}/build`,
  ];
  const { stdout } = await run("curl", args, { signal: scene.signal, maxBuffer: 64 * 1024 * 1024 });
  const { digest, status } = JSON.parse(stdout) as { digest?: string; status?: string };
  if (!digest?.startsWith("sha256:")) throw new Error(`the server answered "${status}", expected a digest`);
}

async function extract({ signal, ...scene }: Scene, folder: string): Promise<void> {
  await run("tar", ["xf", archiveOf({ signal, ...scene }), "-C", folder], { signal });
}

async function buildByHand(
  scene: Scene,
  { folder, fresh, image }: { folder: string; fresh: boolean; image: string },
): Promise<void> {
  const { parts, signal } = scene;
  if (fresh) await extract(scene, folder);
  const context = join(folder, "context");
  const inputs = ["--frontend", "dockerfile.v0", "--local", `context=${context}`, "--local", `dockerfile=${context}`];
  const output = ["--progress", "plain", "--output", `type=image,name=${image},push=true`];
  await run(parts.buildctl, ["--addr", parts.buildkit, "build", ...inputs, ...output], {
    signal,
    maxBuffer: 64 * 1024 * 1024,
  });
}
