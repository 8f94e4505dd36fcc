import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import {
  type Context,
  modeDevice,
  modeFifo,
  modeSetgid,
  modeSetuid,
  modeSocket,
  modeSticky,
} from "../../src/model/context.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { createDiskContext } from "./disk-context.ts";
import { createMemoryContext, folder, link, type Sketch } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

const run = promisify(execFile);

/** What a COPY of a context puts into an image, as a command there prints it. */
async function seen(sketches: Record<string, Sketch>, command: string): Promise<string[]> {
  const Dockerfile = `FROM busybox\nCOPY . /c\nRUN cd /c && rm -f Dockerfile .dockerignore && ${command}\n`;
  const { error, output } = await buildOnce({
    context: createMemoryContext({ Dockerfile, ...sketches }),
    noCache: true,
  });
  expect(error).toBeUndefined();
  return output.split("\n").filter((line) => line !== "");
}

test("modes, links, pipes and sockets arrive as they are, owned by root", async () => {
  const lines = await seen(
    {
      "plain.sh": { content: "x", mode: 0o751 },
      setuid: { mode: (modeSetuid | 0o711) >>> 0 },
      "shared/inner": { content: "deep", mode: 0o400 },
      shared: folder(modeSetgid | modeSticky | 0o777),
      pipe: { mode: modeFifo | 0o600 },
      socket: { mode: modeSocket | 0o755 },
      absolute: link("/etc/passwd"),
      dangling: link("../../no/where"),
    },
    "find . -exec stat -c '%n %A %u:%g %s' {} ';' | sort && readlink absolute && readlink dangling",
  );
  expect(lines).toEqual([
    expect.stringMatching(/^\. drwx/),
    "./absolute lrwxrwxrwx 0:0 11",
    "./dangling lrwxrwxrwx 0:0 14",
    "./pipe prw------- 0:0 0",
    "./plain.sh -rwxr-x--x 0:0 1",
    "./setuid -rws--x--x 0:0 0",
    expect.stringMatching(/^\.\/shared drwxrwsrwt 0:0 \d+$/),
    "./shared/inner -r-------- 0:0 4",
    "./socket -rwxr-xr-x 0:0 0",
    "/etc/passwd",
    "../../no/where",
  ]);
});

test("times arrive to the nanosecond", async () => {
  const lines = await seen({ old: { content: "o", modifiedNs: 86_400_000_000_001n } }, "stat -c '%y' old");
  expect(lines).toEqual(["1970-01-02 00:00:00.000000001 +0000"]);
});

test("hard links stay one file", async () => {
  const twin = { content: "same", inode: "1:5" };
  const lines = await seen(
    { "a/one": twin, "b/two": twin, other: "x" },
    "stat -c '%n %h' a/one b/two other && cat b/two",
  );
  expect(lines).toEqual(["a/one 2", "b/two 2", "other 1", "same"]);
});

test("the second name of a file carries the bytes where the first is ignored", async () => {
  const twin = { content: "same", inode: "1:5" };
  const lines = await seen({ ".dockerignore": "a\n", "a/one": twin, "b/two": twin }, "cat b/two && ls");
  expect(lines).toEqual(["sameb"]);
});

test("names may hold commas, blanks, quotes, accents, signs and bytes that are no UTF-8", async () => {
  const raw = Buffer.from([0x72, 0xff, 0xfe]);
  const lines = await seen(
    { "a, b": "1", "é ü": "2", "it's": "3", "-n": "4", "日本/語": "5", "r\uFFFD": { content: "6", rawPath: raw } },
    "cat -- -n 'a, b' \"it's\" r* 'é ü' 日本/語 && printf '%s' r* | od -c | grep -c '377 376'",
  );
  expect(lines).toEqual(["4136251"]);
});

test("siblings whose names sort differently as text, as paths and as bytes arrive", async () => {
  const names = ["foo/bar", "foo-bar", "foo.txt", "fooa", "\uFFFD", "\u{1F600}", "Z", "a", "foo/bar-2", "é"];
  const sketches = Object.fromEntries(names.map((name) => [name, name]));
  expect(await seen(sketches, "find . -type f | wc -l")).toEqual([String(names.length)]);
});

test(".dockerignore leaves out, its exceptions bring back, the last one decides", async () => {
  const lines = await seen(
    {
      ".dockerignore": "# notes\n**/*.log\nnode_modules\n!node_modules/keep/this.js\nsecret*\n!secret-not\n/top/\n",
      "app.js": "1",
      "deep/er/x.log": "1",
      "deep/er/x.js": "1",
      "node_modules/a/index.js": "1",
      "node_modules/keep/this.js": "1",
      "node_modules/keep/that.js": "1",
      "secret-key": "1",
      "secret-not": "1",
      "top/x": "1",
      "deep/top/x": "1",
    },
    "find . -type f | sort",
  );
  expect(lines).toEqual(["./app.js", "./deep/er/x.js", "./deep/top/x", "./node_modules/keep/this.js", "./secret-not"]);
});

test("a .dockerignore of 5000 patterns, some not ASCII, is obeyed", async () => {
  const patterns = Array.from({ length: 5000 }, (_, index) => `skip-${index}`);
  const lines = await seen(
    {
      ".dockerignore": ["été, *", ...patterns].join("\n"),
      "skip-0": "",
      "skip-4999": "",
      "skip-5000": "",
      "été, x": "",
    },
    "ls",
  );
  expect(lines).toEqual(["skip-5000"]);
});

test("a malformed pattern of .dockerignore fails the build", async () => {
  const context = createMemoryContext({ Dockerfile: "FROM busybox\nCOPY . /\n", ".dockerignore": "ok\n*[a\n" });
  const { error } = await buildOnce({ context });
  expect(error).toMatchObject({ code: "build_failed", message: expect.stringContaining("syntax error in pattern") });
});

test("only what a COPY names is read, through links on the way", async () => {
  const untouched: Sketch = {
    size: 5,
    open() {
      throw new Error("read without need");
    },
  };
  const context = createMemoryContext({
    Dockerfile: "FROM busybox\nCOPY current/app.js lib/x* /c/\nRUN cat /c/*\n",
    current: link("releases/7"),
    "releases/7/app.js": "seven ",
    "releases/6/app.js": untouched,
    "lib/x-1": link("/shared/x"),
    "shared/x": "shared",
    "shared/y": untouched,
  });
  const { error, output } = await buildOnce({ context, noCache: true });
  expect(error).toBeUndefined();
  expect(output).toBe("seven shared");
});

test("contents of every size arrive whole, from sources that answer at once and from those that take time", async () => {
  const sizes = [0, 1, 262_143, 262_144, 262_145, 1_048_576, 1_048_577, 5_000_000];
  const late = (content: Buffer): Sketch => ({ content, open: () => slowReader(content) });
  const contents = sizes.map((size, index) => Buffer.alloc(size, `${index}-content-`));
  const sketches = Object.fromEntries(
    contents.flatMap((content, index) => [
      [`now-${index}`, content],
      [`late-${index}`, late(content)],
    ]),
  );
  const sums = await seen(sketches, "md5sum now-* | cut -c1-32 && md5sum late-* | cut -c1-32 && wc -c now-* | tail -1");
  expect(sums.slice(0, sizes.length)).toEqual(sums.slice(sizes.length, 2 * sizes.length));
  expect(new Set(sums.slice(0, sizes.length)).size).toBe(sizes.length);
  expect(sums.at(-1)?.trim()).toBe(`${sizes.reduce((sum, size) => sum + size, 0)} total`);
});

/** Gives a file in odd pieces, each after a turn of the event loop. */
function slowReader(content: Buffer) {
  let at = 0;
  return {
    async read(target: Uint8Array) {
      await new Promise((resolve) => setImmediate(resolve));
      const length = content.copy(target.subarray(0, 100_003), 0, at);
      at += length;
      return length;
    },
    async close() {},
  };
}

test("with the same shared key the second upload reads only what changed", async () => {
  const reads: string[] = [];
  const noted = (name: string, content: string, modifiedNs: bigint): Sketch => ({
    content,
    modifiedNs,
    open() {
      reads.push(name);
      return slowReader(Buffer.from(content));
    },
  });
  const sharedKey = randomUUID();
  for (const time of [1n, 2n]) {
    const text = randomUUID();
    const context = createMemoryContext({
      Dockerfile: "FROM busybox\nCOPY . /c\nRUN cat /c/changed\n",
      same: noted("same", "same", 1n),
      changed: noted("changed", text, time),
    });
    const { output } = await buildOnce({ context, sharedKey });
    expect(output).toBe(text);
  }
  // The daemon asks for several files at once, in no order of its own.
  expect([...reads.slice(0, 2).sort(), ...reads.slice(2)]).toEqual(["changed", "same", "changed"]);
});

test("a device is refused by name", async () => {
  const context = createMemoryContext({
    Dockerfile: "FROM busybox\nCOPY . /\n",
    "dev/null": { mode: modeDevice | 0o666 },
  });
  const { error } = await buildOnce({ context });
  expect(error).toMatchObject({ code: "context_invalid", message: expect.stringContaining('"dev/null" is a device') });
});

test("buildctl finds in the cache what we have uploaded, so both have sent the same", async () => {
  const first = [join(process.cwd(), ".tools/bin")];
  const buildctl = (await findProgram("buildctl", { path: process.env.PATH ?? "", first })) ?? "buildctl";
  const root = mkdtempSync(join(tmpdir(), "of-builder-same-"));
  try {
    writeTree(root);
    const buildArgs = { SOURCE_DATE_EPOCH: "1700000000" };
    const image = { names: ["example.com/ours:1"], push: false, insecure: false };
    const ours = await buildOnce({ context: createDiskContext(root), buildArgs, image });
    expect(ours.error).toBeUndefined();
    expect(
      ours.events.filter((event) => event.kind === "vertex" && event.name.includes("COPY") && event.cached),
    ).toEqual([]);
    expect(ours.result?.digest).toBe(await buildWith(buildctl, root));
  } finally {
    rmSync(root, { recursive: true });
  }
});

/** A tree that no run before has had, with all that is treated in some special way. */
function writeTree(root: string): void {
  writeFileSync(join(root, "Dockerfile"), "FROM busybox\nCOPY . /c\nCOPY sub/*.txt link /d/\n");
  writeFileSync(join(root, ".dockerignore"), "**/*.log\nskip\n!skip/not.txt\n");
  mkdirSync(join(root, "sub/deep"), { recursive: true });
  mkdirSync(join(root, "skip"));
  writeFileSync(join(root, "sub/a, é.txt"), randomUUID().repeat(2000));
  writeFileSync(join(root, "sub/deep/x.log"), "log");
  writeFileSync(join(root, "skip/not.txt"), "kept", { mode: 0o755 });
  writeFileSync(join(root, "skip/gone.txt"), "gone");
  chmodSync(join(root, "skip/not.txt"), 0o4711);
  linkSync(join(root, "sub/a, é.txt"), join(root, "twin"));
  symlinkSync("sub/deep", join(root, "link"));
}

async function buildWith(buildctl: string, root: string): Promise<string> {
  const metadata = `${root}.json`;
  const flags = ["--frontend", "dockerfile.v0", "--opt", "build-arg:SOURCE_DATE_EPOCH=1700000000"];
  const folders = ["--local", `context=${root}`, "--local", `dockerfile=${root}`];
  const output = ["--output", "type=image,name=example.com/theirs:1", "--metadata-file", metadata];
  try {
    await run(buildctl, ["--addr", inject("buildkit"), "build", ...flags, ...folders, ...output]);
    return JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"];
  } finally {
    rmSync(metadata, { force: true });
  }
}

test("a context with many entries arrives whole", async () => {
  const sketches = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`d${index % 50}/f${index}`, "x"]));
  expect(await seen(sketches, "find . -type f | wc -l && find . -type f -size 1c | wc -l")).toEqual(["2000", "2000"]);
});

test("a context that is never done listing ends when the build is cancelled", async () => {
  const stop = new AbortController();
  const endless: Context = {
    async list(directory) {
      if (directory === "")
        return createMemoryContext({ Dockerfile: "FROM busybox\nCOPY . /\n", d: folder() }).list("");
      if (directory.length > 2000) stop.abort();
      const inside = createMemoryContext({ d: folder() });
      return (await inside.list("")).map((entry) => ({ ...entry, path: `${directory}/d` }));
    },
  };
  const { error } = await buildOnce({ context: endless }, { signal: stop.signal });
  expect(error?.code).toBe("build_cancelled");
});
