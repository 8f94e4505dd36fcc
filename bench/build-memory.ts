import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeBenchArchive } from "./build-archives.ts";
import { startBuildServer } from "./build-server.ts";
import { type RealParts, startRealParts } from "./real-parts.ts";
import type { Bench, Row } from "./result.ts";

const run = promisify(execFile);
const maxMegabytes = 180;
const archives = [
  { what: "2 GiB tar", count: 1, bytes: 2 * 1024 ** 3 },
  { what: "100 000 entries", count: 100_000, bytes: 100 },
] as const;

/** All files are uploaded, and none goes into the image. */
const dockerfile = `FROM busybox AS use
RUN --mount=type=bind,target=/src find /src -type f | wc -l > /count
FROM scratch
COPY --from=use /count /
`;

/** The most memory that a fresh server takes for one large archive, from its start to the answer. */
export const buildMemory: Bench = {
  about: "peak memory of the server for a tar of 2 GiB and one of 100 000 entries",
  async run({ tell, signal }): Promise<readonly Row[]> {
    tell("starting buildkitd and a registry");
    await using parts = await startRealParts();
    // The first start of all strips the types of the sources, which takes memory of its own, and keeps what it made.
    await (await startBuildServer(parts))[Symbol.asyncDispose]();
    const rows: Row[] = [];
    for (const archive of archives) {
      const file = join(parts.folder, "archive.tar");
      await writeBenchArchive(file, { dockerfile, image: `${parts.registry}/bench/memory:1`, ...archive }, signal);
      const { before, peak } = await measurePeak(parts, { file, signal });
      tell(`${archive.what}: ${peak.toFixed(0)} MB, ${before.toFixed(0)} MB of them before the request`);
      rows.push(rowOf(archive.what, peak));
    }
    return rows;
  },
};

async function measurePeak(
  parts: RealParts,
  { file, signal }: { file: string; signal: AbortSignal },
): Promise<{ before: number; peak: number }> {
  await using server = await startBuildServer(parts, { max_body_bytes: String(4 * 1024 ** 3) });
  const before = await server.peakMegabytes();
  const { stdout } = await run("curl", ["-sS", "-X", "POST", "-T", file, `${server.url}/build`], { signal });
  const { status } = JSON.parse(stdout) as { status?: string };
  if (status !== "success") throw new Error(`the server answered ${JSON.stringify(status)}, expected "success"`);
  return { before, peak: await server.peakMegabytes() };
}

function rowOf(what: string, megabytes: number): Row {
  const spread = (value: number) => ({ median: value, min: value, max: value });
  const [ours, peer, ratio] = [spread(megabytes), spread(maxMegabytes), megabytes / maxMegabytes];
  return { what: `${what}: peak RSS beside its bar`, ours, peer, unit: "MB", ratio, bar: 1, holds: ratio <= 1 };
}
