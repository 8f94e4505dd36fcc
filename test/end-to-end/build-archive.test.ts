import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { archive, type Member, memberBytes } from "../contexts/archives.ts";
import { createInstallation, type Installation, type Serving } from "./serving.ts";

/* What BuildKit sees of archives as people and others make them. */
const run = promisify(execFile);
let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation();
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

const config = JSON.stringify({ image: `${inject("registry")}/archive/x:1`, skipPush: true });

async function build(body: Buffer): Promise<{ status: string; error: string }> {
  const answer = await fetch(`${serving.address}/build`, { method: "POST", body: new Uint8Array(body) });
  return (await answer.json()) as { status: string; error: string };
}

/** An archive whose Dockerfile copies all and then runs a test. */
function archiveWith(check: string, ...members: readonly Member[]): Buffer {
  return archive(
    { name: "com.openfaas.docker.config", body: config },
    { name: "context/Dockerfile", body: `FROM busybox\nCOPY . /all/\nRUN cd /all && ${check}\n` },
    ...members,
  );
}

test.for<[string, string, readonly Member[]]>([
  [
    "leaves out what .dockerignore names",
    "test ! -e secret && test -e kept/secret && test -e x",
    [
      { name: "context/.dockerignore", body: "# all but one\n**/secret\n!kept/secret\n" },
      { name: "context/secret" },
      { name: "context/kept/secret" },
      { name: "context/deep/secret" },
      { name: "context/x" },
    ],
  ],
  [
    "T25 builds although .dockerignore names the Dockerfile, itself and places outside",
    "test ! -e Dockerfile && test -e x",
    [
      { name: "context/.dockerignore", body: "Dockerfile\n.dockerignore\n../../etc\n!../../../etc/passwd\n/\n" },
      { name: "context/x" },
    ],
  ],
  [
    "T13 makes root the owner of everything, and keeps no setuid bit",
    'test "$(stat -c %u:%g:%a su)" = 0:0:755',
    [{ name: "context/su", uid: 1234, mode: 0o6755 }],
  ],
])("the build of an archive %s", async ([, check, members]) => {
  expect(await build(archiveWith(check, ...members))).toMatchObject({ status: "success" });
});

test("T25 a .dockerignore that is a link out of the archive is a link like any other, which nobody follows here", async () => {
  const link: Member = { name: "context/.dockerignore", type: "2", link: "/etc/passwd" };
  const built = await build(archiveWith('test "$(readlink .dockerignore)" = /etc/passwd', link));
  expect(built).toMatchObject({ status: "success", error: "" });
});

test.for<[string, string, object]>([
  ["T25 a link to a file of the archive is built as that file", "real/Dockerfile", { status: "success" }],
  ["T25 a link out of the archive leads nowhere", "/etc/passwd", { status: expect.stringMatching(/^failure: /) }],
  [
    "T25 a link above the archive leads nowhere",
    "../../../etc/passwd",
    { status: expect.stringMatching(/^failure: /) },
  ],
])("a Dockerfile that is %s", async ([, link, expected]) => {
  const built = await build(
    archive(
      { name: "com.openfaas.docker.config", body: config },
      { name: "context/real/Dockerfile", body: "FROM busybox\nRUN true\n" },
      { name: "context/Dockerfile", type: "2", link },
    ),
  );
  expect(built).toMatchObject(expected);
  expect(JSON.stringify(built)).not.toContain("root:");
});

const long = `${"long/".repeat(30)}${"n".repeat(120)}`;

test.for(["v7", "ustar", "gnu", "oldgnu", "posix"])(
  "tar --format=%s is built, long names too where it has them",
  async (format) => {
    const folder = join(installation.folder, `tar-${format}`);
    const file = format === "v7" ? "short" : format === "ustar" ? `${"long/".repeat(20)}name` : long;
    await mkdir(join(folder, "context", file, ".."), { recursive: true });
    await writeFile(join(folder, "context", file), "here");
    await writeFile(join(folder, "context/Dockerfile"), `FROM busybox\nCOPY . /all/\nRUN grep -q here /all/${file}\n`);
    await writeFile(join(folder, "config"), config);
    await run("tar", [`--format=${format}`, "-cf", "../body.tar", "."], { cwd: folder });
    expect(await build(await readFile(join(installation.folder, "body.tar")))).toMatchObject({ status: "success" });
  },
);

test.for<[string, (bytes: Buffer) => Buffer]>([
  ["gzip", (bytes) => gzipSync(bytes)],
  ["zstd", (bytes) => zstdCompressSync(bytes)],
])("an archive that was packed with %s in several pieces is built whole", async ([, pack]) => {
  const whole = archiveWith("test -e last", { name: "context/last" });
  const pieces = [whole.subarray(0, 700), whole.subarray(700, 2000), whole.subarray(2000)].map(pack);
  expect(await build(Buffer.concat(pieces))).toMatchObject({ status: "success" });
});

test("T19 an archive of 100 000 files is built, and the server needs no more memory for it than it may", async () => {
  const count = 100_000;
  const files = Array.from({ length: count }, (_, at) =>
    memberBytes({ name: `context/${at % 100}/${at}`, body: String(at) }),
  );
  const check = `test "$(find . -type f | wc -l)" = ${count + 1} && grep -qx 99999 99/99999`;
  const dockerfile = `FROM busybox\nRUN --mount=type=bind,target=/all cd /all && ${check}\n`;
  const rest = archive(
    { name: "com.openfaas.docker.config", body: config },
    { name: "context/Dockerfile", body: dockerfile },
  );
  await using alone = await createInstallation();
  const started = await alone.start();
  const body = new Uint8Array(Buffer.concat([...files, rest]));
  const answer = await fetch(`${started.address}/build`, { method: "POST", body });
  expect(await answer.json()).toMatchObject({ status: "success", error: "" });
  expect(await peakMegabytes(started)).toBeLessThan(180);
});

test("T17 forty bombs that come at once take hardly more memory than two", async () => {
  const bomb = zstdCompressSync(Buffer.alloc(60_000_000, "x"), { params: { [constants.ZSTD_c_windowLog]: 23 } });
  await using alone = await createInstallation();
  const started = await alone.start();
  const init = { method: "POST", body: new Uint8Array(bomb) };
  const answers = await Promise.all(Array.from({ length: 40 }, () => fetch(`${started.address}/build`, init)));
  for (const answer of answers) expect(answer.status).toBe(400);
  expect(await peakMegabytes(started)).toBeLessThan(250);
});

/** The most memory that the server ever had. */
async function peakMegabytes({ process: server }: Serving): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
