import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdir, open, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { writeBundle } from "../scripts/bundle.ts";
import { Definition, Op } from "../src/buildkit/generated/pb.ts";
import { compare, type Samples, takeTurns } from "./alternate.ts";
import { type Command, measureProcess, type Usage } from "./measured-process.ts";
import type { Side } from "./push-stack.ts";
import { prune, type RealParts, startRealParts } from "./real-parts.ts";
import { type Bench, createLimitRow, createRow, type Row } from "./result.ts";

const rounds = 5;
const maxMegabytes = 140;
const largeBytes = 2 ** 30;
const manyFiles = 50_000;
/** V8's space for young objects: more of it makes the memory that is measured here, and nothing faster. */
const smallHeap = ["--max-semi-space-size=2"];

/** What every row needs. */
interface Scene {
  readonly parts: RealParts;
  /** Our side's program, bundled as the package is. */
  readonly client: string;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Our client of BuildKit beside buildctl, each a whole process from its start to its end (but for the cached build), on
 * one daemon. An upload is
 * a build of nothing but a local folder; a first one goes to a name that the daemon has never heard, as it would take
 * nothing twice. What the daemon keeps, and the files, lie in memory where there is room, for both sides alike: so that the
 * disk is not what is measured.
 */
export const buildkit: Bench = {
  about: "uploads, exports and a cached build, beside buildctl",
  async run({ tell, signal }): Promise<readonly Row[]> {
    tell("starting buildkitd");
    await using parts = await startRealParts();
    const scene = { parts, client: await bundleClient(parts), tell, signal };
    const large = await writeLarge(join(parts.folder, "large"));
    const many = await writeMany(join(parts.folder, "many"));
    return [
      ...uploadRows("1 file of 1 GiB", await firstUploads(scene, large), { wall: 0.5, cpu: 0.45 }),
      ...uploadRows("50 000 files of 4 KiB", await firstUploads(scene, many), { wall: 0.6, cpu: 0.75 }),
      wallRow("the same, 10 changed, again", await secondUploads(scene, many), 0.8),
      wallRow("1 GiB exported as a tar", await exports(scene, large), 0.75),
      wallRow("cached build of 20 files, solve to digest", await cachedBuilds(scene), 1.1),
    ];
  },
};

async function bundleClient({ folder }: RealParts): Promise<string> {
  await symlink(resolve("node_modules"), join(folder, "node_modules"));
  await writeBundle(["bench/clients/buildkit.ts"], folder);
  return join(folder, "bench/clients/buildkit.js");
}

function uploadRows(what: string, samples: Samples<Usage>, bars: { wall: number; cpu: number }): Row[] {
  return [
    wallRow(`${what}, wall`, samples, bars.wall),
    createRow(`${what}, client CPU`, compareBy(samples, "cpuSeconds"), { unit: "s", bar: bars.cpu }),
    createLimitRow(`${what}, peak RSS`, compareBy(samples, "peakMegabytes"), { unit: "MB", bar: maxMegabytes }),
  ];
}

function wallRow(what: string, samples: Samples<Usage>, bar: number): Row {
  return createRow(what, compareBy(samples, "wallSeconds"), { unit: "s", bar });
}

function compareBy({ ours, peer }: Samples<Usage>, key: "wallSeconds" | "cpuSeconds" | "peakMegabytes") {
  return compare({ ours: ours.map((usage) => usage[key]), peer: peer.map((usage) => usage[key]) });
}

async function firstUploads(scene: Scene, folder: string): Promise<Samples<Usage>> {
  const measure = (side: Side) => async (run: number) => {
    const usage = await measureTold(scene, uploadCommand(scene, { side, folder, name: randomUUID() }), [side, run]);
    await prune(scene.parts, scene);
    return usage;
  };
  return takeTurns(rounds, { ours: measure("ours"), peer: measure("peer") });
}

/** Each side has a name of its own under which the daemon knows the folder, from the warm-up on. */
async function secondUploads(scene: Scene, folder: string): Promise<Samples<Usage>> {
  const names = { ours: randomUUID(), peer: randomUUID() };
  const measure = (side: Side) => async (run: number) => {
    await change(folder);
    return measureTold(scene, uploadCommand(scene, { side, folder, name: names[side] }), [side, run]);
  };
  const samples = await takeTurns(rounds, { ours: measure("ours"), peer: measure("peer") });
  await prune(scene.parts, scene);
  return samples;
}

/** The image is built in the warm-up; what is measured is its way to us. */
async function exports(scene: Scene, folder: string): Promise<Samples<Usage>> {
  await writeFile(join(folder, "Dockerfile"), "FROM scratch\nCOPY large.bin /\n");
  const target = join(scene.parts.folder, "export.tar");
  const measure = (side: Side) => async (run: number) => {
    const usage = await measureTold(scene, exportCommand(scene, side, { folder, target }), [side, run]);
    const { size } = await stat(target);
    if (size < largeBytes) throw new Error(`${side} exported ${size} bytes, expected at least ${largeBytes}`);
    await rm(target);
    return usage;
  };
  return takeTurns(rounds, { ours: measure("ours"), peer: measure("peer") });
}

/** Ours is timed inside of its process, which a server starts once; buildctl, which is started for each build, whole. */
async function cachedBuilds(scene: Scene): Promise<Samples<Usage>> {
  const folder = join(scene.parts.folder, "small");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "Dockerfile"), "FROM busybox\nWORKDIR /app\nCOPY . .\nRUN echo built\n");
  for (let at = 0; at < 20; at += 1) await writeFile(join(folder, `file-${at}.txt`), `file ${at}\n`.repeat(200));
  const measure = (side: Side) => async (run: number) => {
    const usage = await measureTold(scene, buildCommand(scene, side, folder), [side, run]);
    return side === "ours" ? { ...usage, wallSeconds: Number(usage.output) } : usage;
  };
  return takeTurns(rounds * 2, { ours: measure("ours"), peer: measure("peer") });
}

async function measureTold({ tell, signal }: Scene, command: Command, [side, run]: [Side, number]): Promise<Usage> {
  const usage = await measureProcess(command, { signal });
  const { wallSeconds, cpuSeconds, peakMegabytes } = usage;
  const values = `${wallSeconds.toFixed(2)} s, CPU ${cpuSeconds.toFixed(2)} s, ${peakMegabytes.toFixed(0)} MB`;
  tell(`${run === 0 ? "warm-up" : `run ${run}`}, ${side}: ${values}`);
  return usage;
}

function uploadCommand(
  { parts, client }: Scene,
  { side, folder, name }: { side: Side; folder: string; name: string },
): Command {
  const input = localSource(name);
  const upload = { ...ours(client, "upload", parts.buildkit, folder), input };
  if (side === "ours") return upload;
  const args = ["--addr", parts.buildkit, "build", "--progress", "quiet", "--local", `context=${folder}`];
  return { program: parts.buildctl, args, input };
}

function buildCommand({ parts, client }: Scene, side: Side, folder: string): Command {
  if (side === "ours") return ours(client, "build", parts.buildkit, folder);
  return peerBuild(parts, folder, "type=image,name=example.com/bench:latest");
}

function exportCommand(
  { parts, client }: Scene,
  side: Side,
  { folder, target }: { folder: string; target: string },
): Command {
  if (side === "ours") return ours(client, "export", parts.buildkit, folder, target);
  return peerBuild(parts, folder, `type=tar,dest=${target}`);
}

function peerBuild({ buildctl, buildkit: address }: RealParts, folder: string, output: string): Command {
  const inputs = ["--frontend", "dockerfile.v0", "--local", `context=${folder}`, "--local", `dockerfile=${folder}`];
  return {
    program: buildctl,
    args: ["--addr", address, "build", ...inputs, "--progress", "quiet", "--output", output],
  };
}

/** What was compiled once is kept, as the command keeps it. */
function ours(client: string, ...rest: readonly string[]): Command {
  const env = { NODE_COMPILE_CACHE: join(dirname(client), "compiled") };
  return { program: process.execPath, args: [...smallHeap, client, ...rest], env };
}

/** A definition of one local source. The daemon keeps a snapshot by `name`, and never answers one from its cache. */
function localSource(name: string): Uint8Array {
  const attrs = { "local.sharedkeyhint": name, "local.unique": randomUUID() };
  const source = Buffer.from(Op.encode(Op.fromPartial({ source: { identifier: "local://context", attrs } })).finish());
  const digest = `sha256:${createHash("sha256").update(source).digest("hex")}`;
  const end = Buffer.from(Op.encode(Op.fromPartial({ inputs: [{ digest, index: 0n }] })).finish());
  return Definition.encode(Definition.fromPartial({ def: [source, end] })).finish();
}

async function writeLarge(folder: string): Promise<string> {
  await mkdir(folder);
  await using file = await open(join(folder, "large.bin"), "w");
  for (let megabyte = 0; megabyte < largeBytes / 2 ** 20; megabyte += 1) await file.write(randomBytes(2 ** 20));
  return folder;
}

async function writeMany(folder: string): Promise<string> {
  const perFolder = 500;
  for (let at = 0; at < manyFiles; at += 1) {
    if (at % perFolder === 0) await mkdir(join(folder, `part-${at / perFolder}`), { recursive: true });
    await writeFile(fileOf(folder, at), randomBytes(4096));
  }
  return folder;
}

async function change(folder: string): Promise<void> {
  for (let at = 0; at < 10; at += 1) await writeFile(fileOf(folder, at * 5000 + 17), randomBytes(4000 + at));
}

function fileOf(folder: string, at: number): string {
  return join(folder, `part-${Math.floor(at / 500)}`, `file-${at}.bin`);
}
