import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { access, chmod, chown, mkdir, readdir, realpath, rm, rmdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPostgres } from "../../src/database/embedded-postgres.ts";
import { ask, createScratch, eventually, isAlive, postmasterOf, quiet } from "./scratch.ts";

const scratch = await createScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

describe("PostgreSQL on a folder of its own", () => {
  const folder = join(scratch.path, "shared");
  const start = () => startPostgres({ folder, log: quiet });

  it("starts, answers, and is gone after stop", async () => {
    const server = await start();
    const pid = await postmasterOf(folder);
    await ask(server.url, "create table kept as select 42 as answer");
    await server.stop();

    expect(server.started).toBe(true);
    expect(server.url).toMatch(/^postgres:\/\/app@localhost:5432\/app\?host=/);
    expect(isAlive(pid)).toBe(false);
    await expect(ask(server.url, "select 1")).rejects.toThrow("ENOENT");
  });

  it("has kept what was stored, and its first start left no half cluster", async () => {
    await using server = await start();
    expect(await ask(server.url, "select answer from kept")).toEqual([{ answer: 42 }]);
    expect((await readdir(folder)).sort()).toEqual(["pg", "postgres.log", "socket"]);
  });

  it("listens on no port, and its socket is for its user alone", async () => {
    await using server = await start();
    expect(await ask(server.url, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
    expect(await ask(server.url, "show data_checksums")).toEqual([{ data_checksums: "on" }]);
    expect((await stat(join(folder, "socket"))).mode & 0o777).toBe(0o700);
  });

  it("is attached to by a second start, whose stop leaves it running", async () => {
    await using server = await start();
    const second = await start();
    await second.stop();

    expect(second).toMatchObject({ started: false, url: server.url });
    expect(await ask(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("is started again when it is killed", async () => {
    await using server = await start();
    const killed = await postmasterOf(folder);
    process.kill(killed, "SIGKILL");

    await eventually(async () => (await postmasterOf(folder).catch(() => killed)) !== killed);
    await eventually(() => ask(server.url, "select 1").catch(() => undefined));
    expect(await ask(server.url, "select answer from kept")).toEqual([{ answer: 42 }]);
  });

  it("stays when its starter is killed, and the next start attaches to it", async () => {
    const starter = startInProcess(folder);
    await once(starter.stdout as NodeJS.ReadableStream, "data");
    const pid = await postmasterOf(folder);
    starter.kill("SIGKILL");
    await once(starter, "exit");

    const server = await start();
    expect(server.started).toBe(false);
    expect(await postmasterOf(folder)).toBe(pid);
    process.kill(pid, "SIGINT");
    await eventually(async () => !isAlive(pid));
  });
});

describe("the first start", () => {
  it("happens once when two start at the same time, and another folder gives another server", async () => {
    const folder = join(scratch.path, "raced");
    const servers = await Promise.all([
      startPostgres({ folder, log: quiet }),
      startPostgres({ folder, log: quiet }),
      startPostgres({ folder: join(scratch.path, "other"), log: quiet }),
    ]);
    try {
      const [first, second, other] = servers;
      await ask(first.url, "create table only_here ()");
      expect(await ask(second.url, "select * from only_here")).toEqual([]);
      await expect(ask(other.url, "select * from only_here")).rejects.toThrow("does not exist");
      expect(servers.filter(({ started }) => started)).toHaveLength(2);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });

  it("clears away what a start left that was killed halfway, and finds a way around a path too long for a socket", async () => {
    const folder = join(scratch.path, "long-".repeat(20));
    const dead = spawn("true");
    await once(dead, "exit");
    await mkdir(join(folder, `pg.new-${dead.pid}-half`), { recursive: true });

    let sockets = "";
    for (let round = 0; round < 2; round++) {
      await using server = await startPostgres({ folder, log: quiet });
      const host = new URL(server.url).searchParams.get("host") ?? "";
      expect(host.length).toBeLessThan(90);
      expect(sockets === "" || sockets === host).toBe(true);
      sockets = host;
      expect(await ask(server.url, "select 1 as one")).toEqual([{ one: 1 }]);
    }
    expect(await readdir(folder)).not.toContain(`pg.new-${dead.pid}-half`);
    await rm(sockets, { recursive: true });
  });

  const refusals: { what: string; options: { binaries?: string; user?: string }; message: string }[] = [
    { what: "a folder without programs", options: { binaries: tmpdir() }, message: "PG_BIN" },
  ];
  if (isRoot()) {
    const unknown = '"nobody-knows-me" does not exist';
    refusals.push({ what: "an unknown user", options: { user: "nobody-knows-me" }, message: unknown });
    refusals.push({ what: "root as the user", options: { user: "root" }, message: '"root" is root' });
  }
  it.each(refusals)("refuses $what and says so", async ({ options, message }) => {
    const refused = startPostgres({ folder: join(scratch.path, "refused"), log: quiet, ...options });
    await expect(refused).rejects.toMatchObject({ code: "setting_invalid", message: expect.stringContaining(message) });
  });

  it("ends when it is told to, leaving no process", async () => {
    const folder = join(scratch.path, "told");
    const refused = startPostgres({ folder, log: quiet, signal: AbortSignal.abort(new Error("told so")) });
    await expect(refused).rejects.toThrow("told so");
  });
});

if (isRoot()) {
  describe("as root", () => {
    const shared = "/var/lib/of-builder-postgresql";
    let existed = true;
    beforeAll(async () => {
      existed = await access(shared).then(
        () => true,
        () => false,
      );
    });
    afterAll(async () => {
      if (existed) return;
      await rmdir(join(shared, "data"));
      await rmdir(shared);
    });

    it("runs as another user, and puts data elsewhere that this user could not reach", async () => {
      const locked = join(scratch.path, "locked");
      await mkdir(locked, { mode: 0o700 });
      const folder = join(locked, "postgres");
      const said: object[] = [];
      const log = { ...quiet, info: (fields: object) => void said.push(fields), child: () => quiet };
      const home = join(
        shared,
        "data",
        createHash("sha256")
          .update(await realpath(locked))
          .update("/postgres")
          .digest("hex")
          .slice(0, 16),
      );
      const umask = process.umask(0o077);
      try {
        const server = await startPostgres({ folder, log });
        expect(said).toContainEqual({ folder: await realpath(folder), home });
        expect((await stat(join(home, "pg"))).uid).not.toBe(0);
        expect((await stat(`/proc/${await postmasterOf(home)}`)).uid).not.toBe(0);
        await server.stop();

        await chmod(locked, 0o755);
        await using again = await startPostgres({ folder, log });
        expect(again.url).toBe(server.url);
      } finally {
        process.umask(umask);
        await rm(home, { recursive: true, force: true });
      }
    });

    it("makes no empty database in the place of one that its user cannot reach any more", async () => {
      const closed = join(scratch.path, "closed");
      const folder = join(closed, "postgres");
      await (await startPostgres({ folder, log: quiet })).stop();
      await chmod(closed, 0o700);
      const refused = startPostgres({ folder, log: quiet });
      await expect(refused).rejects.toMatchObject({
        code: "database_unreachable",
        fix: expect.stringContaining("o+x"),
      });
    });

    it("closes no folder but its own", async () => {
      const folder = join(scratch.path, "made/on the way/postgres");
      await using server = await startPostgres({ folder, log: quiet });
      expect(new URL(server.url).searchParams.get("host")).toBe(join(folder, "socket"));
      expect((await stat(join(scratch.path, "made"))).mode & 0o055).toBe(0o055);
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    });

    it("also starts as an ordinary user, and for root afterwards on that user's data", async () => {
      const folder = join(scratch.path, "ordinary");
      const ordinary = { uid: 65534, gid: 65534 };
      await mkdir(folder);
      await chown(folder, ordinary.uid, ordinary.gid);
      await chmod(folder, 0o700);
      const child = startInProcess(folder, ordinary);
      await once(child.stdout as NodeJS.ReadableStream, "data");
      child.stdin?.end();
      expect(await once(child, "exit")).toEqual([0, null]);

      await using server = await startPostgres({ folder, log: quiet });
      expect(server.started).toBe(true);
      expect((await stat(join(folder, "pg"))).uid).toBe(ordinary.uid);
    });
  });
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/** Starts a server from a process of its own, which prints the URL and stops it when its input ends. */
function startInProcess(folder: string, user: { uid?: number; gid?: number } = {}): ChildProcess {
  const script = join(import.meta.dirname, "postgres-starter.ts");
  return spawn(process.execPath, [script, folder], { ...user, stdio: ["pipe", "pipe", "inherit"] });
}
