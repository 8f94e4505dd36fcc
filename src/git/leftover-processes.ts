import { readdir, readlink } from "node:fs/promises";
import { sep } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const rounds = 100;
const pauseMs = 10;

/**
 * Ends what still works in a folder. A git that is stopped in the middle of a fetch leaves its transport helper behind,
 * which goes on waiting for the server. Found by its working folder in Linux's /proc; elsewhere the helper ends by its
 * own limit of a minute.
 */
export async function endProcessesIn(folder: string): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const left = await processesIn(folder);
    if (left.length === 0) return;
    for (const id of left) kill(id);
    await sleep(pauseMs);
  }
}

async function processesIn(folder: string): Promise<readonly number[]> {
  const ids = (await readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name));
  const places = await Promise.all(ids.map((id) => readlink(`/proc/${id}/cwd`).catch(() => "")));
  return ids.filter((_, index) => places[index]?.startsWith(folder + sep)).map(Number);
}

function kill(id: number): void {
  try {
    process.kill(id, "SIGKILL");
  } catch {
    // It has ended in the meantime.
  }
}
