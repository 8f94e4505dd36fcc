import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, inject, onTestFinished, test } from "vitest";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import type { Context } from "../../src/model/context.ts";
import { freePort } from "../../src/parts/free-port.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";
import { createScratch } from "./scratch-folder.ts";

const run = promisify(execFile);

function dockerfile(...lines: string[]): Context {
  return createMemoryContext({ Dockerfile: `${lines.join("\n")}\n` });
}

/** Builds without the cache: what a RUN prints is printed. */
async function build(request: BuildRequest) {
  const built = await buildOnce({ noCache: true, ...request });
  return { ...built, output: built.output.trimEnd() };
}

test("another tree of ours is a named context, with its own .dockerignore", async () => {
  const context = dockerfile("FROM busybox", "COPY --from=assets . /a", "RUN cd /a && find . -type f | sort");
  const assets = createMemoryContext({
    ".dockerignore": "*.log\n!keep.log\n",
    "x.log": "x",
    "keep.log": "k",
    "sub/y.txt": "y",
  });
  const { output, error } = await build({ context, namedContexts: { assets } });
  expect(error).toBeUndefined();
  expect(output).toBe("./.dockerignore\n./keep.log\n./sub/y.txt");
});

test('a named context may be called as the build\'s own folders are, "context" and "dockerfile"', async () => {
  const context = dockerfile(
    "FROM busybox",
    "COPY --from=context word /1",
    "COPY --from=dockerfile word /2",
    "RUN cat /1 /2",
  );
  const namedContexts = {
    context: createMemoryContext({ word: "one " }),
    dockerfile: createMemoryContext({ word: "two" }),
  };
  expect((await build({ context, namedContexts })).output).toBe("one two");
});

test("an image of a registry is a named context", async () => {
  const context = dockerfile("FROM base", "RUN echo from base");
  const { output } = await build({ context, namedContexts: { base: "docker-image://busybox" } });
  expect(output).toBe("from base");
});

test.for([
  "http://169.254.169.254/latest/meta-data",
  "https://example.com/a.git",
  "git://example.com/a.git",
  "git@example.com:a/b.git",
  "ssh://git@example.com/a.git",
])("a named context at %s is fetched only where the policy says so", async (address) => {
  const context = dockerfile("FROM busybox", "COPY --from=far . /");
  const { error, events } = await build({ context, namedContexts: { far: address } });
  expect(error).toMatchObject({ code: "option_forbidden", message: expect.stringContaining(address) });
  expect(events).toEqual([]);
});

test.for(["local:context", "input:x", "oci-layout://x", "../etc", "", "target:x"])(
  "a named context %j is refused",
  async (address) => {
    const { error } = await build({ context: dockerfile("FROM busybox"), namedContexts: { far: address } });
    expect(error?.code).toBe("usage");
  },
);

test("what is at an http address is a named context of one file, where the policy allows it", async () => {
  const server = createHttpServer((_, response) => void response.end("from afar"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  expect(await buildFrom(`http://127.0.0.1:${(server.address() as AddressInfo).port}/word`)).toBe("context: from afar");
});

test("a commit of a git repository is a named context, where the policy allows it", async () => {
  const folder = await createScratch();
  const repository = join(folder, "far.git");
  const git = (...args: readonly string[]) =>
    run("git", ["-C", repository, "-c", "user.name=a", "-c", "user.email=a@example.com", ...args]);
  await mkdir(repository);
  await writeFile(join(repository, "word"), "of the branch");
  await git("init", "--quiet", "--initial-branch=some");
  await git("add", "word");
  await git("commit", "--quiet", "--message=one");
  await writeFile(join(repository, "word"), "of no commit");
  const port = await startGitDaemon(folder);
  expect(await buildFrom(`git://127.0.0.1:${port}/far.git#some`)).toBe("word: of the branch");
});

/** Builds from an address; answers the names and contents of the files that a COPY gets from there. */
async function buildFrom(far: string): Promise<string> {
  const show = 'for file in *; do echo "$file: $(cat $file)"; done';
  const context = dockerfile("FROM busybox", "COPY --from=far . /far", `RUN cd /far && echo files: && ${show}`);
  const { output, error } = await build({ context, namedContexts: { far }, policy: { remoteContexts: true } });
  expect(error).toBeUndefined();
  // Git's own words come first.
  return output.split("files:\n").at(-1) ?? "";
}

/** Serves the repositories in a folder until the test ends; answers the port. */
async function startGitDaemon(folder: string): Promise<number> {
  const port = await freePort();
  const { stdout: programs } = await run("git", ["--exec-path"]);
  const args = ["--verbose", "--export-all", `--base-path=${folder}`, "--listen=127.0.0.1", `--port=${port}`];
  const daemon = spawn(join(programs.trim(), "git-daemon"), args, { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void daemon.kill());
  for await (const line of createInterface(daemon.stderr)) if (line.includes("Ready to rumble")) return port;
  throw new Error("git daemon does not start");
}

test("a secret is seen by the RUN that mounts it and is nowhere in the image", async () => {
  const context = dockerfile(
    "FROM busybox",
    "RUN --mount=type=secret,id=key cat /run/secrets/key | rev",
    "RUN test ! -s /run/secrets/key && echo gone",
  );
  const secret = `s3cret-${randomUUID()}`;
  const { output, events } = await build({ context, secrets: { key: Buffer.from(secret) } });
  expect(output).toBe(`${[...secret].reverse().join("")}gone`);
  expect(JSON.stringify(events)).not.toContain(secret);
});

test("D4 only the ids that were declared are answered, whatever their name", async () => {
  const mounts = ["other", "KEY", "*", "../key", "__proto__", "constructor"];
  const context = dockerfile(
    "FROM busybox",
    ...mounts.map((id, at) => `RUN --mount=type=secret,id=${id},target=/run/s${at} test ! -e /run/s${at} && echo none`),
    "RUN --mount=type=secret,id=key,env=KEY echo $KEY | rev",
  );
  const { output, error } = await build({ context, secrets: { key: Buffer.from("word") } });
  expect(error).toBeUndefined();
  expect(output).toBe(`${"none\n".repeat(mounts.length)}drow`);
});

test("a required secret that is not there fails the build and says which", async () => {
  const context = dockerfile("FROM busybox", "RUN --mount=type=secret,id=token,required cat /run/secrets/token");
  for (const secrets of [undefined, {}]) {
    const { error } = await build({ context, ...(secrets && { secrets }) });
    expect(error).toMatchObject({ code: "build_failed", location: { line: 2 } });
    expect(error?.message).toMatch(/secret "?token"?/);
  }
});

test("a secret of more than 500 KiB is refused", async () => {
  const { error } = await build({
    context: dockerfile("FROM busybox"),
    secrets: { big: Buffer.alloc(500 * 1024 + 1) },
  });
  expect(error).toMatchObject({ code: "usage", message: expect.stringContaining('secret "big"') });
});

test("D4 an SSH agent that was not offered is refused", async () => {
  const context = dockerfile("FROM busybox", "RUN --mount=type=ssh,required echo $SSH_AUTH_SOCK");
  const folder = await createScratch();
  for (const sshAgents of [undefined, { other: join(folder, "agent.sock") }]) {
    const { error } = await build({ context, ...(sshAgents && { sshAgents }) });
    expect(error?.code).toBe("build_failed");
    expect(error?.location?.line).toBe(2);
  }
});

test("what a RUN says to the agent's socket, and its answers, pass through the session", async () => {
  // A socket is a socket: BuildKit's own client speaks through it with BuildKit, many messages both ways.
  const agent = inject("buildkit").replace("unix://", "");
  const buildctl = resolve(".tools/bin/buildctl");
  const context = createMemoryContext({
    Dockerfile: [
      "FROM busybox",
      "COPY --chmod=755 buildctl /",
      "RUN --mount=type=ssh,id=work,required env -i /buildctl --addr unix://$SSH_AUTH_SOCK debug workers --format '{{len .}} worker'",
      "RUN --mount=type=ssh,required env -i /buildctl --addr unix://$SSH_AUTH_SOCK debug workers --format '{{len .}} again'",
      "",
    ].join("\n"),
    buildctl: await readFile(buildctl),
  });
  const sharedKey = randomUUID();
  const { output, error } = await build({ context, sharedKey, sshAgents: { default: agent, work: agent } });
  expect(error).toBeUndefined();
  expect(output).toBe("1 worker\n1 again");
  const absent = await build({ context, sharedKey, sshAgents: { default: agent, work: "/nowhere/agent.sock" } });
  expect(absent.error).toMatchObject({ code: "usage", message: expect.stringContaining("/nowhere/agent.sock") });
});

test("limits, memory, hosts and the network of RUN are passed on", async () => {
  const context = dockerfile(
    "FROM busybox",
    "RUN ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -n 1 | awk '{print $2}'",
    "RUN grep -c '10.1.2.3\\s*db.example' /etc/hosts; grep -c '::1\\s*six.example' /etc/hosts",
    "RUN ls /sys/class/net | grep -v lo | wc -l",
  );
  const { output } = await build({
    context,
    ulimits: { nofile: "123:456" },
    shmBytes: 8 * 1024 * 1024,
    hosts: { "db.example": "10.1.2.3", "six.example": "::1" },
    network: "none",
  });
  expect(output).toBe("123\n456\n8192\n1\n1\n0");
});

test("D2 the host's network is never asked for without the policy, and no RUN gets it or more rights by itself", async () => {
  const host = await build({ context: dockerfile("FROM busybox", "RUN true"), network: "host" });
  expect(host.error?.code).toBe("option_forbidden");
  for (const flag of ["--network=host", "--security=insecure"]) {
    const { error } = await build({ context: dockerfile("FROM busybox", `RUN ${flag} true`) });
    expect(error?.message).toMatch(/network\.host|security\.insecure/);
  }
});

test("D2 a daemon that does not allow the host's network says so where the policy would", async () => {
  const context = dockerfile("FROM busybox", "RUN true");
  const { error } = await build({ context, network: "host", policy: { hostNetwork: true } });
  expect(error?.message).toContain("network.host");
});

test("D1 a frontend that the Dockerfile or a build argument names is not fetched", async () => {
  const asked: string[] = [];
  const trap = createServer((socket) => {
    asked.push("asked");
    socket.destroy();
  });
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void trap.close());
  const { port } = trap.address() as { port: number };
  const frontend = `127.0.0.1:${port}/evil/frontend:1`;
  const lines = await build({ context: dockerfile(`# syntax=${frontend}`, "FROM busybox", "RUN echo built") });
  expect(lines.output).toBe("built");
  const context = dockerfile("FROM busybox");
  for (const name of ["BUILDKIT_SYNTAX", "BUILDKIT_ATTEST_SBOM"]) {
    const { error } = await build({ context, buildArgs: { [name]: frontend } });
    expect(error).toMatchObject({ code: "option_forbidden", message: expect.stringContaining(name) });
  }
  expect(asked).toEqual([]);
});

test("the second build of a context with the same shared key reads only the files that changed", async () => {
  const opened: string[] = [];
  const tree = (text: string): Context => {
    const files: Record<string, string> = { Dockerfile: "FROM scratch\nCOPY . /\n", "changing.txt": text };
    for (let at = 0; at < 20; at++) files[`file-${at}.txt`] = "always the same";
    const inner = createMemoryContext(files);
    return {
      list: async (folder) =>
        (await inner.list(folder)).map((entry) => ({
          ...entry,
          open() {
            opened.push(entry.path);
            return entry.open();
          },
        })),
    };
  };
  const sharedKey = randomUUID();
  await build({ context: tree("one"), sharedKey });
  const first = opened.splice(0);
  await build({ context: tree("longer"), sharedKey });
  expect(first).toHaveLength(23);
  // The Dockerfile is always sent anew: it is asked for without a comparison.
  expect(new Set(opened)).toEqual(new Set(["Dockerfile", "changing.txt"]));
});
