import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openDatabase } from "../src/database/database.ts";
import { startPostgres } from "../src/database/embedded-postgres.ts";
import { createLog } from "../src/log.ts";
import { pushPayload, signDelivery } from "../test/github-server/deliveries.ts";
import { alternate, spreadOf } from "./alternate.ts";
import { startBuildServer } from "./build-server.ts";
import { percentile, type Shot, shoot } from "./intake-load.ts";
import { type Bench, createLimitRow, createRow, type Row } from "./result.ts";

const secret = "bench";
const steady = { perSecond: 50, seconds: 10, rounds: 5 };
const burst = { perSecond: 1000, seconds: 10 };
const bars = { ratio: 3, slowestSeconds: 10, lost: 0 };

interface Scene {
  readonly server: string;
  readonly peer: string;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

/**
 * The webhook beside a handler of Express that does nothing. Every delivery is a push that is stored with its run and its
 * story; workers, of which there are none here, would tell that.
 */
export const intake: Bench = {
  about: "the webhook's answers, beside those of an empty handler; a burst of a thousand a second",
  async run({ tell, signal }) {
    await using parts = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), "of-builder-bench-"));
    parts.defer(() => rm(folder, { recursive: true, force: true }));
    await chmod(folder, 0o711);
    const log = createLog("error");
    const postgres = parts.use(await startPostgres({ folder: join(folder, "postgres"), log }));
    await mkdir(join(folder, "secrets"));
    await writeFile(join(folder, "secrets", "github-webhook-secret"), secret);
    const settings = { DATABASE_URL: postgres.url, push_repository_url: "127.0.0.1:1", worker: "false" };
    const server = parts.use(await startBuildServer({ folder, buildkit: "tcp://127.0.0.1:1" }, settings));
    const peer = parts.use(await startEmptyHandler());
    const database = parts.use(await openDatabase(postgres.url, { log }));
    const scene = { server: `${server.url}/github-event`, peer: peer.url, tell, signal };
    const rows = [await measureSteady(scene), ...(await measureBurst(scene))];
    const [stored] = await database.query<{ count: number }>("select count(*)::integer as count from delivery");
    const sent = steady.perSecond * steady.seconds * (steady.rounds + 1) + burst.perSecond * burst.seconds;
    const lost = spreadOf([sent - (stored?.count ?? 0)]);
    const what = `of ${sent} deliveries, not stored`;
    return [...rows, createLimitRow(what, { ours: lost, peer: lost, ratio: 1 }, { unit: "", bar: bars.lost })];
  },
};

async function measureSteady({ server, peer, tell, signal }: Scene): Promise<Row> {
  const { perSecond, seconds, rounds } = steady;
  const side = (name: string, url: string) => async (round: number) => {
    const hits = await shoot(url, createShots(perSecond * seconds, `steady-${round}`), { perSecond, signal });
    const refused = hits.find(({ status }) => status !== 202);
    if (refused) throw new Error(`${name} answered ${refused.status}, expected 202`);
    const ms = hits.map((hit) => hit.ms);
    const told = `p50 ${percentile(ms, 50).toFixed(1)} ms, p99 ${percentile(ms, 99).toFixed(1)} ms`;
    tell(`${perSecond}/s, ${round === 0 ? "warm-up" : `run ${round}`}, ${name}: ${told}`);
    return percentile(ms, 99);
  };
  const compared = await alternate(rounds, { ours: side("of-builder", server), peer: side("empty handler", peer) });
  return createRow(`p99 of the answer at ${perSecond}/s`, compared, { unit: "ms", bar: bars.ratio });
}

async function measureBurst({ server, peer, tell, signal }: Scene): Promise<readonly Row[]> {
  const { perSecond, seconds } = burst;
  const shots = createShots(perSecond * seconds, "burst");
  const slowest = async (name: string, url: string) => {
    const hits = await shoot(url, shots, { perSecond, signal });
    const refused = hits.filter(({ status }) => status !== 202).length;
    const ms = hits.map((hit) => hit.ms);
    const told = `p50 ${percentile(ms, 50).toFixed(0)} ms, slowest ${Math.max(...ms).toFixed(0)} ms, ${refused} refused`;
    tell(`${perSecond}/s for ${seconds} s, ${name}: ${told}`);
    return refused > 0 ? Number.POSITIVE_INFINITY : Math.max(...ms) / 1000;
  };
  const theirs = spreadOf([await slowest("empty handler", peer)]);
  const ours = spreadOf([await slowest("of-builder", server)]);
  const what = `slowest answer at ${perSecond}/s for ${seconds} s`;
  const compared = { ours, peer: theirs, ratio: ours.median / theirs.median };
  return [createLimitRow(what, compared, { unit: "s", bar: bars.slowestSeconds })];
}

/** Pushes to repositories of a hundred owners, as large as GitHub's example of one. */
function createShots(count: number, name: string): readonly Shot[] {
  return Array.from({ length: count }, (_, index) => {
    const sha = index.toString(16).padStart(40, "1");
    const about = { private: false, defaultBranch: "main", url: "http://127.0.0.1:1", installationId: "1" };
    const push = { ...about, owner: `owner-${index % 100}`, name: `${name}-${index}`, id: String(index + 1), sha };
    return signDelivery(pushPayload(push), { secret });
  });
}

async function startEmptyHandler(): Promise<AsyncDisposable & { readonly url: string }> {
  const file = new URL("empty-handler.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const [port] = await once(createInterface({ input: child.stdout }), "line");
  return {
    url: `http://127.0.0.1:${port}/github-event`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
