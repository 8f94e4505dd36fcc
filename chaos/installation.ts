import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../bench/real-parts.ts";
import { type Database, openDatabase } from "../src/database/database.ts";
import { startPostgres } from "../src/database/embedded-postgres.ts";
import { createLog } from "../src/log.ts";
import { pushBaseImage } from "../src/parts/base-image.ts";
import { freePort } from "../src/parts/free-port.ts";
import { startRegistry } from "../src/parts/registry-server.ts";
import { type GithubServer, startGithubServer } from "../test/github-server/server.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { type Respawned, respawn } from "./respawn.ts";

/** A whole installation that may be hit anywhere, in a folder of its own. */
export interface Installation extends AsyncDisposable {
  readonly folder: string;
  readonly github: GithubServer;
  /** host:port */
  readonly registry: string;
  /** For looking only: never through the processes that are judged. Its sessions bear the name below. */
  readonly database: Database;
  readonly daemon: Daemon;
  /** Builds that the daemon was at for a process that was killed. */
  readonly orphans: ReadonlySet<string>;
  /** The server and two workers; each comes back when it was killed. */
  readonly processes: readonly Respawned[];
  /** What can be killed, by its name; answers once it was, and is on its way back. */
  readonly victims: Readonly<Record<string, () => Promise<void>>>;
  /** Folders of the processes, which hold nothing temporary when these have left. */
  readonly dataFolders: readonly string[];
}

const startLimitMs = 120_000;
/** Functions of one owner that may be built at once by all processes together. */
export const ownerCap = 2;
/** Functions that one process may be at. */
export const maxInflight = 3;
/** Builds that one process may have in the daemon. */
export const buildkitSlots = 2;
export const sessionName = "of-builder-chaos";

/** Starts everything: GitHub in this process; registry, buildkitd and PostgreSQL; a server and two workers. */
export async function startInstallation({ tell }: { tell(text: string): void }): Promise<Installation> {
  const parts = new AsyncDisposableStack();
  try {
    const folder = await mkdtemp(join(tmpdir(), "of-builder-chaos-"));
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    // PostgreSQL does not run as root: its own user has to get in.
    await chmod(folder, 0o711);
    const log = createLog("fatal");
    const github = parts.use(await startGithubServer());
    const registry = parts.use(
      await startRegistry({
        binary: await program("registry"),
        folder: join(folder, "registry"),
        log,
        signal: limit(),
      }),
    );
    await pushBaseImage({ registry: registry.host, busybox: await program("busybox"), signal: limit() });
    const daemon = parts.use(await startDaemon({ folder: join(folder, "buildkit"), registry: registry.host }));
    const postgres = parts.use(await startPostgres({ folder: join(folder, "postgres"), log }));
    const settings = await settingsOf({ folder, github, registry: registry.host, buildkit: daemon.address });
    github.hook.url = `http://127.0.0.1:${settings.PORT}/github-event`;
    const env = { ...settings, DATABASE_URL: postgres.url };
    tell("starting a server and two workers");
    const processes: Respawned[] = [];
    for (const [index, name] of ["server", "worker 1", "worker 2"].entries()) {
      const command = index === 0 ? "serve" : "worker";
      const own = { data_path: join(folder, `data-${index}`) };
      processes.push(parts.use(await respawn({ name, command, env: { ...env, ...own }, folder })));
    }
    const database = parts.use(await openDatabase(named(postgres.url), { log }));
    const orphans = new Set<string>();
    const noteOrphans = async () => {
      for (const ref of await daemon.builds()) orphans.add(ref);
    };
    const rest = parts.move();
    return {
      folder,
      github,
      registry: registry.host,
      database,
      daemon,
      orphans,
      processes,
      dataFolders: processes.map((_, index) => join(folder, `data-${index}`)),
      victims: {
        ...Object.fromEntries(
          processes.map((process) => [process.name, () => process.kill({ whenDead: noteOrphans })]),
        ),
        PostgreSQL: () => killPostmaster(database),
        buildkitd: () => daemon.kill(),
      },
      [Symbol.asyncDispose]: () => rest.disposeAsync(),
    };
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

function named(url: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}application_name=${sessionName}`;
}

function limit(): AbortSignal {
  return AbortSignal.timeout(startLimitMs);
}

async function settingsOf({
  folder,
  github,
  registry,
  buildkit,
}: {
  folder: string;
  github: GithubServer;
  registry: string;
  buildkit: string;
}): Promise<Record<string, string>> {
  const secrets = join(folder, "secrets");
  await mkdir(secrets);
  await writeFile(join(secrets, "github-webhook-secret"), `${github.webhookSecret}\n`);
  await writeFile(join(secrets, "private-key"), github.privateKeyPem);
  return {
    // It has to stay the same when the server is started again: GitHub knows it.
    PORT: String(await freePort()),
    listen_host: "127.0.0.1",
    BUILDKIT_HOST: buildkit,
    push_repository_url: registry,
    github_app_id: github.appId,
    github_api_url: github.apiUrl,
    secret_mount_path: secrets,
    DOCKER_CONFIG: join(folder, "docker"),
    log_store: join(folder, "logs"),
    build_branch: "*",
    owner_concurrency: String(ownerCap),
    max_inflight: String(maxInflight),
    buildkit_slots: String(buildkitSlots),
    report_interval: "20ms",
    sweep_interval: "2s",
    poll_interval: "5s",
    retry_first_ms: "200",
    retry_attempts: "8",
    drain_limit: "20s",
    log_level: "info",
  };
}

/** The postmaster is the parent of whatever serves us; it is started again by itself. */
async function killPostmaster(database: Database): Promise<void> {
  const rows = await database.query<{ pid: string }>(
    "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1) as pid",
  );
  process.kill(Number(rows[0]?.pid), "SIGKILL");
}
