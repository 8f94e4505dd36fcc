import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { GithubServer } from "../test/github-server/server.ts";
import type { Random } from "../test/random.ts";

/** How GitHub tells of a push. */
export type Way =
  | "sent"
  /** And once more, under the same GUID. */
  | "twice"
  /** After newer pushes of its branch, as like as not. */
  | "late"
  /** Tried once, in vain: GitHub has a note of it. */
  | "lost"
  /** Not tried: nothing tells of it but the branch. */
  | "never";

/** One push, and what has to come of it. */
export interface ChaosPush {
  readonly owner: string;
  readonly name: string;
  readonly branch: string;
  readonly sha: string;
  readonly guid: string;
  readonly way: Way;
  readonly atMs: number;
  /** The functions of its stack. */
  readonly functions: ReadonlyMap<string, ChaosFunction>;
}

export interface ChaosFunction {
  /** What the image's only file says. */
  readonly text: string;
  readonly fails: boolean;
}

const owners = Array.from({ length: 30 }, (_, index) => `owner${index}`);
/** Accounts on which the App is installed by itself; the others have one installation together, and so its limits. */
const alone = new Set(owners.filter((_, index) => index % 5 === 0));
const branches = ["main", "main", "next"];
const repository = "fns";
const lateMs = 4000;
const ways: readonly Way[] = ["sent", "sent", "sent", "sent", "twice", "late", "lost", "never"];

/** Pushes of thirty owners, one after the other, each to a branch of its owner's repository. */
export interface Pusher {
  readonly pushes: readonly ChaosPush[];
  pushOne(): Promise<void>;
  /** Waits until everything that GitHub still had to deliver is delivered. */
  settle(): Promise<void>;
}

export function createPusher(github: GithubServer, random: Random): Pusher {
  const pushes: ChaosPush[] = [];
  const stacks = new Map<string, ReadonlyMap<string, ChaosFunction>>();
  const heads = new Map<string, string>();
  const created = new Set<string>();
  const under = new Set<Promise<unknown>>();
  const later = (work: Promise<unknown>) => {
    under.add(work);
    void work.finally(() => under.delete(work));
  };
  return {
    pushes,
    async pushOne() {
      const owner = random.pick(owners);
      const branch = random.pick(branches);
      const place = `${owner}/${branch}`;
      // Heads are asked for of branches that were built before: a first push that GitHub tells nobody of waits for a second.
      const way = heads.has(place) ? random.pick(ways) : "sent";
      if (!created.has(owner)) {
        if (alone.has(owner)) github.install(owner);
        await github.createRepository(owner, repository, { branch: "main" });
      }
      created.add(owner);
      const functions = change(stacks.get(place), { place, random, count: pushes.length });
      const sha = await github.commit(owner, repository, { branch, files: filesOf(functions) });
      stacks.set(place, functions);
      const push = { owner, name: repository, branch, sha, guid: randomUUID(), way, atMs: Date.now(), functions };
      pushes.push(push);
      later(tell(github, push, heads.get(place)));
      heads.set(place, sha);
    },
    async settle() {
      while (under.size > 0) await Promise.all(under);
    },
  };
}

async function tell(github: GithubServer, push: ChaosPush, before: string | undefined): Promise<void> {
  const { owner, name, branch, sha, guid, way } = push;
  const payload = github.pushPayload({ owner, name, branch, sha, ...(before && { before }) });
  const repositoryPart = { ...(payload.repository as object), pushed_at: Math.floor(push.atMs / 1000) };
  const told = { ...payload, repository: repositoryPart };
  if (way === "never") return;
  if (way === "lost") return github.hook.note(told, { guid, statusCode: 502, status: "failed to connect to host" });
  if (way === "late") await sleep(lateMs);
  await github.hook.send(told, { guid });
  if (way === "twice") await github.hook.send(told, { guid, redelivery: true });
}

/** Some functions change, some come, some break; the first push of a branch makes one to three. */
function change(
  before: ReadonlyMap<string, ChaosFunction> = new Map(),
  { place, random, count }: { place: string; random: Random; count: number },
): ReadonlyMap<string, ChaosFunction> {
  const functions = new Map(before);
  const names = ["one", "two", "three"].slice(0, Math.max(functions.size, 1 + random.below(3)));
  for (const name of names) {
    if (functions.has(name) && random.percent(50)) continue;
    functions.set(name, { text: `${place} ${name} ${count}`, fails: random.percent(8) });
  }
  return functions;
}

function filesOf(functions: ReadonlyMap<string, ChaosFunction>): Record<string, string> {
  const entries = [...functions];
  const stack = entries.map(([name]) => `  ${name}: {lang: dockerfile, handler: ./${name}, image: ${name}:1}\n`);
  const folders = entries.flatMap(([name, { text, fails }]) => [
    [`${name}/Dockerfile`, fails ? "FROM busybox\nRUN false\n" : "FROM scratch\nCOPY text /text\n"],
    [`${name}/text`, `${text}\n`],
  ]);
  return { "stack.yml": `provider: {name: openfaas}\nfunctions:\n${stack.join("")}`, ...Object.fromEntries(folders) };
}
