import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { askRegistry } from "../test/ask-registry.ts";
import { installPackage } from "../test/install-package.ts";
import { buildxPlace, createRemoteBuilder } from "./buildx.ts";
import type { RealParts } from "./real-parts.ts";

/** Whose way of building is measured. */
export type Side = "ours" | "peer";

/** By what: of-builder, a buildctl for each function, or one buildx bake. */
export type Builder = Side | "bake";

/** A stack of functions on disk, and the commands that build and push all of it. */
export interface PushStack {
  readonly side: Builder;
  readonly names: readonly string[];
  /** What a person types: one command of ours, from the package as it is installed, or one buildctl per function. */
  readonly commands: readonly Command[];
  /** Gives every file of every function new content. */
  change(nonce: string): Promise<void>;
  /** @throws Error when an image is not in the registry */
  checkPushed(options: { signal: AbortSignal }): Promise<void>;
}

interface Command {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  /** For what it prints. */
  readonly logFile: string;
  readonly env: Readonly<Record<string, string>>;
}

const functionCount = 20;
const filesPerFunction = 30;
const fileBytes = 2048;
/** A word that RUN prints, so that a log tells whether it ran. */
const dockerfile = "FROM busybox\nWORKDIR /app\nCOPY . .\nRUN sleep 0.5 && echo ran\n";
/** The word as both print it: number of the step, seconds, text. */
const ranLine = /#\d+ \d+\.\d+ ran\s*$/gm;

/** Writes 20 functions of 30 small files and their stack.yml. */
export async function createPushStack(side: Builder, parts: RealParts): Promise<PushStack> {
  const folder = join(parts.folder, side);
  const names = Array.from({ length: functionCount }, (_, at) => `fn-${String(at).padStart(2, "0")}`);
  const image = (name: string) => `bench-${side}/${name}`;
  for (const name of names) {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "Dockerfile"), dockerfile);
  }
  const functions = names.map(
    (name) =>
      `  ${name}:\n    lang: dockerfile\n    handler: ./${name}\n    image: ${parts.registry}/${image(name)}:latest\n`,
  );
  const provider = "version: 1.0\nprovider:\n  name: openfaas\n  gateway: http://127.0.0.1:8080\n";
  await writeFile(join(folder, "stack.yml"), `${provider}functions:\n${functions.join("")}`);

  return {
    side,
    names,
    commands: await commandsOf(side, {
      folder,
      names,
      imageOf: (name) => `${parts.registry}/${image(name)}:latest`,
      parts,
    }),
    async change(nonce) {
      await Promise.all(names.map((name) => writeFiles(join(folder, name), nonce)));
    },
    async checkPushed({ signal }) {
      for (const name of names) {
        const url = `http://${parts.registry}/v2/${image(name)}/manifests/latest`;
        const { status } = await askRegistry(url, { method: "HEAD", signal });
        if (status !== 200) throw new Error(`${url} answers ${status}, expected the image that ${side} pushed`);
      }
    },
  };
}

interface Building {
  readonly folder: string;
  readonly names: readonly string[];
  readonly parts: RealParts;
  imageOf(name: string): string;
}

async function commandsOf(side: Builder, { folder, names, parts, imageOf }: Building): Promise<readonly Command[]> {
  if (side === "ours") return [ourBuild(folder, await installPackage(folder), parts)];
  if (side === "peer") return names.map((name) => peerBuild(join(folder, name), imageOf(name), parts));
  const target = (name: string) => ({ context: name, tags: [imageOf(name)], output: ["type=image,push=true"] });
  const bake = {
    group: { default: { targets: names } },
    target: Object.fromEntries(names.map((name) => [name, target(name)])),
  };
  await writeFile(join(folder, "docker-bake.json"), JSON.stringify(bake));
  const env = await createRemoteBuilder(parts);
  const args = ["bake", "--builder", "bench", "--progress", "plain", "-f", "docker-bake.json"];
  return [{ program: buildxPlace, args, folder, logFile: `${folder}.log`, env }];
}

/**
 * Runs all commands of a stack at once.
 * @returns wall seconds until the last one ended, and in how many functions RUN ran
 * @throws Error with what was printed, when a command failed
 */
export async function measureBuild(
  { commands }: PushStack,
  { signal }: { signal: AbortSignal },
): Promise<{ seconds: number; ran: number }> {
  const startedAt = performance.now();
  await Promise.all(commands.map((command) => runCommand(command, { signal })));
  const seconds = (performance.now() - startedAt) / 1000;
  const logs = await Promise.all(commands.map(({ logFile }) => readFile(logFile, "utf8")));
  return { seconds, ran: logs.reduce((sum, log) => sum + (log.match(ranLine)?.length ?? 0), 0) };
}

async function runCommand(
  { program, args, folder, logFile, env }: Command,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  await using log = await open(logFile, "w");
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", log.fd, log.fd],
    signal,
  });
  const [code] = await once(child, "exit");
  if (code === 0) return;
  const end = (await readFile(logFile, "utf8")).slice(-4000);
  throw new Error(`${program} ${args.join(" ")} ended with ${code}, expected 0:\n${end}`);
}

function ourBuild(folder: string, installed: string, { buildkit, registry, folder: ofParts }: RealParts): Command {
  const args = [join(installed, "bin/of-builder.js"), "build", "--push", "-f", "stack.yml"];
  const logFile = `${folder}.log`;
  const env = { BUILDKIT_HOST: buildkit, docker_mirror: registry, data_path: join(ofParts, "data") };
  return { program: process.execPath, args, folder, logFile, env };
}

function peerBuild(folder: string, image: string, { buildctl, buildkit }: RealParts): Command {
  const inputs = ["--frontend", "dockerfile.v0", "--local", "context=.", "--local", "dockerfile=."];
  const output = ["--progress", "plain", "--output", `type=image,name=${image},push=true`];
  const logFile = `${folder}.log`;
  return {
    program: buildctl,
    args: ["build", ...inputs, ...output],
    folder,
    logFile,
    env: { BUILDKIT_HOST: buildkit },
  };
}

/**
 * Files of one path differ in size between the functions. All contexts of buildctl share one snapshot in BuildKit,
 * where a file of equal size and time counts as known already, and what is written in one tick has one time: with equal
 * sizes functions would get each other's files.
 */
async function writeFiles(folder: string, nonce: string): Promise<void> {
  const bytes = fileBytes + Number(folder.slice(-2));
  for (let at = 0; at < filesPerFunction; at += 1) {
    const line = `${folder} file ${at} of ${nonce}\n`;
    await writeFile(join(folder, `file-${at}.txt`), line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes));
  }
}
