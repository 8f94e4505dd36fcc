import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { walk } from "../src/compose/context-inputs.ts";
import { createFunctionContext } from "../src/contexts/function-context.ts";
import { type ContextHash, hashContext } from "../src/contexts/hash.ts";
import { alternate } from "./alternate.ts";
import { createRow, type Row } from "./result.ts";

const folders = 200;
const filesPerFolder = 50;
const fileBytes = 8192;
const rounds = 21;
/** Younger files are read again, as their times may not tell of a change. */
const settleMs = 2500;

/**
 * Context of a function with 10 000 files of 8 KiB in 200 folders, walked and hashed, beside `tar c FOLDER | sha256sum`;
 * and the same when it was hashed before and nothing has changed.
 */
export async function measureHash({
  tell,
  signal,
}: {
  tell(text: string): void;
  signal: AbortSignal;
}): Promise<readonly Row[]> {
  const place = await mkdtemp(join(tmpdir(), "of-builder-bench-"));
  try {
    tell(`writing ${folders * filesPerFolder} files`);
    await writeFiles(join(place, "fn"));
    await setTimeout(settleMs, undefined, { signal });
    const parts = { checkout: place, handler: "./fn", handlerFolder: "", copy: [] };
    const hash = (known?: ContextHash) => hashContext(createFunctionContext(parts), { walk, known, signal });
    const known = await hash();
    const peer = () => timed(() => tarAndSum(place, signal));
    const first = await alternate(rounds, { ours: () => timed(() => hash()), peer });
    const second = await alternate(rounds, { ours: () => timed(() => hash(known)), peer });
    return [
      createRow("10 000 files, walk and hash ÷ tar | sha256sum", first, { unit: "s", bar: 0.6 }),
      createRow("10 000 files, unchanged", second, { unit: "s", bar: 0.15 }),
    ];
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function writeFiles(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, "Dockerfile"), "FROM scratch\nCOPY . /\n");
  for (let at = 0; at < folders; at += 1) {
    await mkdir(join(folder, `d${at}`));
    for (let file = 0; file < filesPerFolder; file += 1) {
      const path = join(folder, `d${at}`, `f${file}.js`);
      await writeFile(path, `// ${at} ${file}\n`.padEnd(fileBytes, "x"));
      await utimes(path, 1_700_000_000, 1_700_000_000);
    }
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

async function tarAndSum(folder: string, signal: AbortSignal): Promise<void> {
  const child = spawn("sh", ["-c", "tar c fn | sha256sum"], { cwd: folder, stdio: "ignore", signal });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`tar | sha256sum ended with ${code}`);
}
