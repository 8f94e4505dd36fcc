import { setTimeout as sleep } from "node:timers/promises";
import { buildkitSlots, type Installation, maxInflight, ownerCap } from "./installation.ts";

/** The most that was seen at once, and what was more than may be. */
export interface Caps {
  looks: number;
  /** Functions of one owner. */
  ofOwner: number;
  /** Functions of one process. */
  ofProcess: number;
  /** Builds in the daemon. */
  ofDaemon: number;
  readonly faults: string[];
}

const everyMs = 150;

/** Looks again and again, until told to end, whether anything has more under way than it may. */
export async function lookAtCaps(installation: Installation, { signal }: { signal: AbortSignal }): Promise<Caps> {
  const caps: Caps = { looks: 0, ofOwner: 0, ofProcess: 0, ofDaemon: 0, faults: [] };
  while (!signal.aborted) {
    // Database and daemon are killed now and then.
    await Promise.allSettled([lookAtStories(installation, caps), lookAtDaemon(installation, caps)]);
    caps.looks += 1;
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
  return caps;
}

/** What a killed process was at counts no more once its story waits to be taken up by another one. */
async function lookAtStories({ database }: Installation, caps: Caps): Promise<void> {
  const rows = await database.query<{ owner: string; process: string }>(
    `select owner, executor_id as process from push_function work join push on push.id = push_id
    join dbos.workflow_status story on story.workflow_uuid = push_id || '/' || function
    where work.state = 'running' and story.status = 'PENDING'`,
  );
  const owners = counted(rows.map(({ owner }) => owner));
  const processes = counted(rows.map(({ process }) => process));
  caps.ofOwner = Math.max(caps.ofOwner, ...owners.values());
  caps.ofProcess = Math.max(caps.ofProcess, ...processes.values());
  caps.faults.push(
    ...over(owners, ownerCap).map(([owner, count]) => `${owner} had ${count} functions under way at once`),
    ...over(processes, maxInflight).map(
      ([name, count]) => `the process ${name} had ${count} functions under way at once`,
    ),
  );
}

/** What the daemon says itself. It takes a while to notice that whoever asked for a build was killed. */
async function lookAtDaemon({ daemon, processes, orphans }: Installation, caps: Caps): Promise<void> {
  const builds = (await daemon.builds()).filter((ref) => !orphans.has(ref));
  const max = processes.length * buildkitSlots;
  caps.ofDaemon = Math.max(caps.ofDaemon, builds.length);
  if (builds.length > max)
    caps.faults.push(`buildkitd was at ${builds.length} builds at once, expected at most ${max}`);
}

function counted(names: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...Map.groupBy(names, (name) => name)].map(([name, same]) => [name, same.length]));
}

function over(counts: ReadonlyMap<string, number>, max: number): readonly (readonly [string, number])[] {
  return [...counts].filter(([, count]) => count > max);
}
