import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { askRegistry } from "../ask-registry.ts";
import { createScratch } from "../buildkit/scratch-folder.ts";
import { startRegistryProxy } from "../registry/registry-proxy.ts";

const run = promisify(execFile);
const bin = join(import.meta.dirname, "../../bin/of-builder.js");

const functions = ["one", "two"].map(
  (name) => `  ${name}: {lang: dockerfile, handler: ./${name}, image: 'example.com/${name}:1'}\n`,
);
const stack = `version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n${functions.join("")}`;
const two = {
  "stack.yml": stack,
  "one/Dockerfile": "FROM scratch\nCOPY word /\n",
  "one/word": "one",
  "two/Dockerfile": "FROM scratch\nCOPY word /\n",
  "two/word": "two",
};

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Writes the files to a folder and answers what runs `of-builder build` there. */
async function createProject(files: Readonly<Record<string, string>>) {
  const scratch = await createScratch();
  const folder = join(scratch, "project");
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  const build = async (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> => {
    const all = { PATH: process.env.PATH, HOME: scratch, BUILDKIT_HOST: inject("buildkit"), ...env };
    return await run(process.execPath, [bin, "build", ...args], { cwd: folder, env: all }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: Ended) => error,
    );
  };
  return { folder, build };
}

test("a tar goes to the standard output, and all else to the other one", async () => {
  const { build } = await createProject(two);
  const { code, stdout, stderr } = await build(["--filter", "one", "-o", "-"]);
  expect(code).toBe(0);
  expect(stdout.slice(0, 4)).toBe("word");
  expect(stdout.slice(257, 262)).toBe("ustar");
  expect(stdout.slice(512, 515)).toBe("one");
  expect(stderr).toContain("1 built");
  const both = await build(["-o", "type=oci,dest=-"]);
  expect(both).toMatchObject({ code: 1, stdout: expect.any(String) });
  expect(both.stderr).toContain('"-" is the destination of several functions');
});

test("--output takes a folder's name alone, keeps or deletes what is there, and writes OCI's layout", async () => {
  const { folder, build } = await createProject({ ...two, "out/old": "old" });
  expect(await build(["--filter", "one", "-o", "out"])).toMatchObject({ code: 0 });
  expect((await readdir(join(folder, "out"))).sort()).toEqual(["old", "word"]);
  expect(await build(["--filter", "one", "-o", "type=local,dest=out,mode=delete"])).toMatchObject({ code: 0 });
  expect(await readdir(join(folder, "out"))).toEqual(["word"]);
  expect(await build(["--filter", "one", "-o", "type=oci,dest=layout,tar=false"])).toMatchObject({ code: 0 });
  expect(await readdir(join(folder, "layout"))).toEqual(expect.arrayContaining(["blobs", "index.json", "oci-layout"]));
});

async function digestIn(tar: string): Promise<string> {
  const { stdout } = await run("tar", ["-xOf", tar, "index.json"]);
  return (JSON.parse(stdout) as { manifests: { digest: string }[] }).manifests[0]?.digest ?? "";
}

test("M1 platforms of the stack reach the daemon: one image with an index of all of them", async () => {
  const platforms = "handler: ./one, platforms: 'linux/amd64,linux/arm64',";
  const { folder, build } = await createProject({ ...two, "stack.yml": stack.replace("handler: ./one,", platforms) });
  expect(await build(["-o", "type=oci,dest={name}.tar"])).toMatchObject({ code: 0 });
  const platformsIn = async (tar: string) => {
    const { stdout } = await run("tar", ["-xOf", tar, `blobs/${(await digestIn(tar)).replace(":", "/")}`]);
    const { manifests = [] } = JSON.parse(stdout) as {
      manifests?: { platform: { os: string; architecture: string } }[];
    };
    return manifests.map(({ platform }) => `${platform.os}/${platform.architecture}`).sort();
  };
  expect(await platformsIn(join(folder, "one.tar"))).toEqual(["linux/amd64", "linux/arm64"]);
  expect(await platformsIn(join(folder, "two.tar"))).toEqual([]);
});

test("what BuildKit warns of is shown once, with its place in the Dockerfile", async () => {
  const { build } = await createProject({
    ...two,
    "one/Dockerfile": "FROM scratch as first\nCOPY word /\nFROM first\nMAINTAINER nobody\n",
  });
  const { stdout } = await build(["--filter", "one", "--progress", "plain", "--no-cache"]);
  expect(stdout).toMatch(/^one \| warning: .*Dockerfile:1: FromAsCasing: .*\none \|\s+> 1 \| FROM scratch as first$/m);
  expect(stdout).toMatch(/^one \| warning: .*Dockerfile:4: MaintainerDeprecated: /m);
  expect(stdout.match(/FromAsCasing/g)).toHaveLength(1);
  const json = await build(["--filter", "one", "--progress", "json", "--no-cache"]);
  const lines = json.stdout.trim().split("\n");
  const events = lines.map((line) => JSON.parse(line) as { kind: string; message: string; excerpt?: string });
  const warnings = events.filter(({ kind }) => kind === "warning");
  expect(warnings.map(({ message }) => message.split(":")[0]).sort()).toEqual(["FromAsCasing", "MaintainerDeprecated"]);
  expect(warnings[0]?.excerpt).toContain("> 1 | FROM scratch as first");
});

test("--output writes files and tars, one place per function, in place of images", async () => {
  const { folder, build } = await createProject(two);
  const outputs = ["-o", "type=local,dest=out/{name}", "--output", "type=oci,dest=out/{name}.tar"];
  const { code, stdout } = await build(outputs);
  expect(stdout).toContain("2 built");
  expect(code).toBe(0);
  expect((await readdir(join(folder, "out"))).sort()).toEqual(["one", "one.tar", "two", "two.tar"]);
  expect(await readFile(join(folder, "out/two/word"), "utf8")).toBe("two");
  expect(await digestIn(join(folder, "out/one.tar"))).toMatch(/^sha256:/);
  // It is made each time, whatever the last build was.
  await build(["--output", "type=tar,dest=again.tar", "--filter", "one"]);
  expect(await readdir(folder)).toContain("again.tar");
});

/** The suite's registry at an address that nobody takes for this machine's own, and BuildKit is told nothing of. */
async function startFarRegistry() {
  const proxy = await startRegistryProxy(inject("registry"));
  return { ...proxy, host: proxy.host.replace("127.0.0.1", "0.0.0.0") };
}

const digestOf = async (host: string, place: string) => {
  const answer = await askRegistry(`http://${host}/v2/${place}`, { method: "HEAD" });
  return answer.headers.get("docker-content-digest");
};

test.for([
  ["type=registry", true],
  ["type=image,push=true", true],
  ["type=image", false],
] as const)(
  "--output %s: its own names count, and how their registry is spoken to is found out",
  async ([type, isPushed]) => {
    await using registry = await startFarRegistry();
    const { build } = await createProject(two);
    const place = `outputs/${randomUUID()}`;
    const names = [`${registry.host}/${place}:1`, `${registry.host}/${place}-again:2`];
    const { code, stdout } = await build(["--filter", "one", "-o", `${type},"name=${names.join(",")}"`]);
    expect(stdout).toContain("1 built");
    expect(code).toBe(0);
    const digests = [
      await digestOf(registry.host, `${place}/manifests/1`),
      await digestOf(registry.host, `${place}-again/manifests/2`),
    ];
    expect(digests).toEqual(isPushed ? [expect.stringMatching(/^sha256:/), digests[0]] : [null, null]);
  },
);

test("--push with another name confirms that one, and asks nobody about the stack's", async () => {
  await using registry = await startFarRegistry();
  const { build } = await createProject(two);
  const name = `${registry.host}/outputs/${randomUUID()}:1`;
  const { code, stdout } = await build(["--push", "--filter", "one", "-o", `type=image,name=${name}`]);
  expect(stdout).toContain("1 built");
  expect(code).toBe(0);
  const mixed = await build(["--filter", "one", "-o", `type=registry,"name=${name},registry.invalid/one"`]);
  expect(mixed.stdout).toContain("not all registries speak plain HTTP");
  expect(mixed.code).toBe(1);
});

test("two functions cannot go to one place", async () => {
  const { build } = await createProject(two);
  const { code, stdout } = await build(["--output", "type=oci,dest=image.tar"]);
  expect(code).toBe(1);
  expect(stdout).toContain('"image.tar" is the destination of several functions');
});

test("a time of origin in the environment, and a cache in a folder: the same digest without the daemon's cache", async () => {
  const { folder, build } = await createProject(two);
  const args = ["--filter", "one", "--no-cache", "--cache-to", "type=local,dest=cache/{name}"];
  const output = (file: string) => [...args, "-o", `type=oci,dest=${file},rewrite-timestamp=true`];
  expect((await build(output("first.tar"), { SOURCE_DATE_EPOCH: "1234567890" })).code).toBe(0);
  await writeFile(join(folder, "one/word"), "one");
  expect((await build(output("second.tar"), { SOURCE_DATE_EPOCH: "1234567890" })).code).toBe(0);
  expect(await digestIn(join(folder, "second.tar"))).toBe(await digestIn(join(folder, "first.tar")));
  expect(await readdir(join(folder, "cache/one"))).toContain("index.json");
});

test("an attestation is made where it is asked for, and none where the answer is false", async () => {
  const { folder, build } = await createProject(two);
  const attested = async (file: string, ...flags: readonly string[]) => {
    expect(await build(["--filter", "one", "-o", `type=oci,dest=${file}`, ...flags])).toMatchObject({ code: 0 });
    const tar = join(folder, file);
    const { stdout } = await run("tar", ["-xOf", tar, `blobs/${(await digestIn(tar)).replace(":", "/")}`]);
    return "manifests" in JSON.parse(stdout);
  };
  expect(await attested("asked.tar", "--provenance", "min")).toBe(true);
  expect(await attested("unasked.tar")).toBe(false);
  expect(await attested("neither.tar", "--provenance", "false", "--sbom", "false")).toBe(false);
});

test("secrets of the stack and of flags, contexts, a target, labels, hosts and limits reach the build", async () => {
  const lines = [
    "FROM busybox AS wanted",
    "COPY --from=more extra /",
    "RUN --mount=type=secret,id=a --mount=type=secret,id=b --mount=type=secret,id=c \\",
    "  echo $(cat /run/secrets/a /run/secrets/b /run/secrets/c) $(cat /extra) $(ulimit -Sn) > /all",
    "RUN grep -c '10.9.8.7' /etc/hosts >> /all; df -k /dev/shm | tail -n 1 | awk '{print $2}' >> /all",
    "FROM wanted",
    "RUN echo not this far && false",
  ];
  const { folder, build } = await createProject({
    "stack.yml": stack.replace(
      "handler: ./one,",
      "handler: ./one, build_secrets: {a: secrets/a.txt, b: secrets/other.txt},",
    ),
    "one/Dockerfile": `${lines.join("\n")}\n`,
    "secrets/a.txt": "A",
    "secrets/b.txt": "B",
    "secrets/other.txt": "wrong",
    "more/extra": "extra",
  });
  const flags = ["--secret", "id=b,src=secrets/b.txt", "--secret", "id=c,env=WORD", "--build-context", "more=./more"];
  const limits = ["--ulimit", "nofile=77:88", "--add-host", "db.example=10.9.8.7", "--shm-size", "4m"];
  const { stdout, code } = await build(
    [...flags, ...limits, "--target", "wanted", "--label", "a=b=c", "--filter", "one", "-o", "type=local,dest=out"],
    { WORD: "C" },
  );
  expect(stdout).toContain("1 built");
  expect(code).toBe(0);
  expect(await readFile(join(folder, "out/all"), "utf8")).toBe("ABC extra 77\n1\n4096\n");
});

test.for([
  { args: ["--output", "type=oci"], says: "expected dest=PATH" },
  { args: ["--output", "type=floppy,dest=a"], says: "expected local, tar, oci, docker, image or registry" },
  { args: ["--output", "type=local,dest=out,mode=move"], says: "expected copy or delete" },
  { args: ["--output", "type=local,dest=..,mode=delete"], says: "holds the current folder, which would be deleted" },
  { args: ["--secret", "id=a,src=nowhere.txt"], says: 'build secret "a": ENOENT' },
  { args: ["--secret", "id=a,env=NOWHERE"], says: 'the environment has no "NOWHERE"' },
  { args: ["--cache-from", "type=local"], says: 'needs "src"' },
  { args: ["--build-context", "more=oci-layout://x"], says: "is no context" },
])("$args: $says", async ({ args, says }) => {
  const { build } = await createProject(two);
  const { code, stdout, stderr } = await build([...args, "--filter", "one"]);
  expect(stdout + stderr).toContain(says);
  expect(code).toBe(1);
});

test("an engine that cannot be spoken to is told by its DOCKER_HOST", async () => {
  const { build } = await createProject(two);
  const { code, stdout } = await build(["--load", "--filter", "one"], { DOCKER_HOST: "ssh://somewhere" });
  expect(stdout).toContain('DOCKER_HOST="ssh://somewhere": expected unix:///PATH or tcp://HOST:PORT');
  expect(code).toBe(1);
});

test.for([
  { args: ["--shm-size", "much"], env: {}, says: "such as 64m" },
  { args: ["--label", "word"], env: {}, says: "expected NAME=VALUE" },
  { args: ["--ssh", "default"], env: {}, says: "there is no agent" },
  { args: [], env: { SOURCE_DATE_EPOCH: "yesterday" }, says: "expected seconds since 1970" },
  { args: ["--output", '"type=oci'], env: {}, says: "Expected KEY=VALUE" },
])("wrong use is told before anything is built: $args $env", async ({ args, env, says }) => {
  const { build } = await createProject(two);
  const { code, stderr, stdout } = await build(args, env as Record<string, string>);
  expect(stderr + stdout).toContain(says);
  expect(code).toBe(2);
});
