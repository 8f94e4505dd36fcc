import { randomInt, randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { expect, inject, test } from "vitest";
import { createBuildkit } from "../../src/buildkit/client.ts";
import { StepFailure } from "../../src/buildkit/solve-error.ts";
import { BuilderError } from "../../src/errors.ts";
import { createLog } from "../../src/log.ts";
import { countProcesses } from "./count-processes.ts";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

function dockerfile(...lines: string[]): { Dockerfile: string } {
  return { Dockerfile: `${lines.join("\n")}\n` };
}

test("an image is built, pushed, and its digest is the registry's", async () => {
  const name = `${inject("registry")}/buildkit/${randomUUID()}:one`;
  const context = createMemoryContext({ ...dockerfile("FROM busybox", "COPY hello.txt /"), "hello.txt": "hello" });
  const { result, error } = await buildOnce({ context, image: { names: [name], push: true, insecure: true } });
  expect(error).toBeUndefined();
  const [, host, path, tag] = /^(.*?)\/(.*):(.*)$/.exec(name) ?? [];
  const manifest = await fetch(`http://${host}/v2/${path}/manifests/${tag}`, {
    headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
  });
  expect(manifest.headers.get("docker-content-digest")).toBe(result?.digest);
  expect(((await manifest.json()) as { config: { digest: string } }).config.digest).toBe(result?.configDigest);
});

test("build args, labels, target and a Dockerfile elsewhere are passed on", async () => {
  const context = createMemoryContext({
    "docker/app.Dockerfile": "FROM busybox AS one\nARG WORD\nRUN echo word=$WORD\nFROM one AS two\nRUN echo second\n",
  });
  const built = await buildOnce({
    context,
    dockerfile: "docker/app.Dockerfile",
    buildArgs: { WORD: `w-${randomUUID()}` },
    labels: { "com.example.owner": "alex" },
    target: "one",
    noCache: true,
    image: { names: ["example.com/kept:here"], push: false, insecure: false },
  });
  expect(built.output).toMatch(/^word=w-/m);
  expect(built.output).not.toContain("second");
  expect(built.result?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
});

test("the second build of the same context is found in the cache", async () => {
  const context = createMemoryContext(dockerfile("FROM busybox", `RUN echo ${randomUUID()}`));
  const first = await buildOnce({ context });
  const second = await buildOnce({ context });
  const cached = (built: typeof first) =>
    built.events.some((event) => event.kind === "vertex" && event.name.includes("RUN") && event.cached);
  expect([cached(first), cached(second)]).toEqual([false, true]);
});

test("noCache runs every step again", async () => {
  const context = createMemoryContext(dockerfile("FROM busybox", "RUN echo again"));
  for (let round = 0; round < 2; round++) {
    const { output } = await buildOnce({ context, noCache: true });
    expect(output).toContain("again\n");
  }
});

test.for([
  {
    what: "a RUN that fails",
    lines: ["FROM busybox", "# more", "RUN true && \\", "  echo last words >&2 && exit 7"],
    code: "build_failed",
    location: { path: "Dockerfile", line: 3, endLine: 4 },
    message: /^step "RUN true && +echo last words >&2 && exit 7" ended with exit code 7: last words$/,
  },
  {
    what: "a COPY of what is not there",
    lines: ["FROM busybox", "COPY missing /"],
    code: "build_failed",
    location: { path: "Dockerfile", line: 2 },
    message: /^"\/missing" is not in the build context/,
  },
  {
    what: "an unknown instruction",
    lines: ["FROM busybox", "RUNN x"],
    code: "build_failed",
    location: { path: "Dockerfile", line: 2 },
    message: /^dockerfile parse error on line 2: unknown instruction: RUNN/,
  },
  {
    what: "a base image that does not exist",
    lines: ["FROM busybox:no-such-tag"],
    code: "build_failed",
    location: { path: "Dockerfile", line: 1 },
    message: /^base image "docker\.io\/library\/busybox:no-such-tag" does not exist$/,
  },
  {
    what: "a base image of a registry that is down",
    lines: ["FROM 127.0.0.1:1/a/b:c"],
    code: "registry_unreachable",
    location: { path: "Dockerfile", line: 1 },
    message: /^the registry of "127\.0\.0\.1:1\/a\/b:c" does not answer: dial tcp .*connection refused$/,
  },
  {
    what: "a RUN that prints a registry's trouble",
    lines: ["FROM busybox", "RUN echo 'failed to do request: dial tcp: 401 Unauthorized' && false"],
    code: "build_failed",
    location: { path: "Dockerfile", line: 2 },
    message: /ended with exit code 1: failed to do request/,
  },
  {
    what: "an empty Dockerfile",
    lines: [],
    code: "build_failed",
    location: { path: "Dockerfile", line: 1 },
    message: /^file with no instructions$/,
  },
])("$what is told with its place", async ({ lines, code, location, message }) => {
  const { error } = await buildOnce({ context: createMemoryContext(dockerfile(...lines)), noCache: true });
  expect(error?.message).toMatch(message);
  expect(error?.code).toBe(code);
  expect(error?.location).toEqual(location);
  if (lines.length > 0)
    expect(error?.faults[0]?.excerpt).toContain(` > ${location.line} | ${lines[location.line - 1]}`);
});

test("a failing Dockerfile of another name is told with its place and its lines", async () => {
  const context = createMemoryContext({
    "docker/app.Dockerfile": "FROM busybox\nRUN true && \\\n  exit 7\nRUN more\n",
  });
  const { error } = await buildOnce({ context, dockerfile: "docker/app.Dockerfile", noCache: true });
  const location = { path: "docker/app.Dockerfile", line: 2, endLine: 3 };
  const excerpt = "   1 | FROM busybox\n > 2 | RUN true && \\\n > 3 |   exit 7\n   4 | RUN more";
  expect(error).toMatchObject({ location, faults: [{ location, excerpt }] });
});

test("a Dockerfile that is not there is told", async () => {
  const { error } = await buildOnce({ context: createMemoryContext({ "a.txt": "a" }) });
  expect(error?.code).toBe("build_failed");
  expect(error?.message).toMatch(/Dockerfile.*no such file/);
});

test("a push to a registry that is down is told as that", async () => {
  const context = createMemoryContext(dockerfile("FROM scratch", "LABEL a=b"));
  const image = { names: ["127.0.0.1:1/nobody/there:latest"], push: true, insecure: true };
  const { error } = await buildOnce({ context, image });
  expect(error?.code).toBe("registry_unreachable");
  expect(error?.message).toContain('"127.0.0.1:1/nobody/there:latest"');
});

test("what a failed step printed last is kept for those who show it in full", async () => {
  const context = createMemoryContext(dockerfile("FROM busybox", "RUN seq 1 100; exit 3"));
  const { error } = await buildOnce({ context, noCache: true });
  const cause = error?.cause as StepFailure;
  expect(cause).toBeInstanceOf(StepFailure);
  expect(cause.exitCode).toBe(3);
  expect(cause.lines.at(-1)).toBe("100");
  expect(cause.lines).toHaveLength(40);
});

test("a failing Dockerfile of more than 64 KiB ends with the right error and place", async () => {
  const filler = Array.from({ length: 1600 }, () => "# filler filler filler filler filler filler");
  const context = createMemoryContext(dockerfile("FROM busybox", ...filler, "RUN echo gone wrong; exit 9"));
  const { error } = await buildOnce({ context, noCache: true });
  expect(error?.code).toBe("build_failed");
  expect(error?.message).toContain("ended with exit code 9: gone wrong");
  expect(error?.location).toEqual({ path: "Dockerfile", line: 1602 });
  expect(error?.faults[0]?.excerpt).toContain(" > 1602 | RUN echo gone wrong; exit 9");
});

test("an aborted build is cancelled, and its process is gone by then", async () => {
  const mark = String(1_000_000_000 + randomInt(1_000_000_000));
  const context = createMemoryContext(dockerfile("FROM busybox", `RUN echo on the way; sleep ${mark}`));
  const stop = new AbortController();
  const seen = Promise.withResolvers<number>();
  const building = buildOnce({ context }, { signal: stop.signal, onEvent: ({ kind }) => kind === "log" && look() });
  const look = async () => {
    while (countProcesses(mark) === 0) await wait(5);
    seen.resolve(countProcesses(mark));
    stop.abort();
  };
  const { error, events } = await building;
  expect(countProcesses(mark)).toBe(0);
  expect(await seen.promise).toBeGreaterThan(0);
  expect(error?.code).toBe("build_cancelled");
  const ended = events.findLast((event) => event.kind === "vertex" && event.name.includes(mark));
  expect(ended).toMatchObject({ error: expect.stringContaining("context canceled"), completed: expect.any(Number) });
});

test("a build is not started once its signal has aborted", async () => {
  const context = createMemoryContext(dockerfile("FROM busybox"));
  const { error, events } = await buildOnce({ context }, { signal: AbortSignal.abort() });
  expect(error?.code).toBe("build_cancelled");
  expect(events).toEqual([]);
});

test("eight builds at once each see their own context", async () => {
  const builds = Array.from({ length: 8 }, async (_, index) => {
    const context = createMemoryContext({
      ...dockerfile("FROM busybox", "COPY . /c", "RUN ls /c && cat /c/word"),
      word: `word ${index}`,
      [`file-${index}`]: "x",
    });
    return (await buildOnce({ context, noCache: true })).output;
  });
  for (const [index, output] of (await Promise.all(builds)).entries()) {
    expect(output).toBe(`Dockerfile\nfile-${index}\nword\nword ${index}`);
  }
});

test("two folders of one owner, built at once, do not take each other's files", async () => {
  const sharedKey = randomUUID();
  const both = Promise.withResolvers<void>();
  let reading = 0;
  const build = (word: string) => {
    const open = () => ({
      // Each is read only while the other one is under way, too.
      async read(target: Uint8Array) {
        if (++reading === 2) both.resolve();
        await both.promise;
        return Buffer.from(word).copy(target);
      },
      close: () => undefined,
    });
    const context = createMemoryContext({
      ...dockerfile("FROM busybox", "COPY . /c", "RUN ls /c && cat /c/word /c/own"),
      own: ` ${word}`,
      [`only-${word}`]: "x",
      word: { size: word.length, open },
    });
    return buildOnce({ context, sharedKey, noCache: true });
  };
  const [one, two] = await Promise.all([build("one"), build("two")]);
  expect(one.output).toBe("Dockerfile\nonly-one\nown\nword\none one");
  expect(two.output).toBe("Dockerfile\nonly-two\nown\nword\ntwo two");
});

test("a file that the context refuses to open fails the build with the context's own error", async () => {
  const refusal = new BuilderError("path_forbidden", '"secret" leads out of the repository');
  const context = createMemoryContext({
    ...dockerfile("FROM busybox", "COPY . /"),
    secret: {
      size: 6,
      open() {
        throw refusal;
      },
    },
  });
  const { error } = await buildOnce({ context });
  expect(error).toBe(refusal);
});

test("a listener that throws ends the build with what it threw", async () => {
  const context = createMemoryContext(dockerfile("FROM busybox", "RUN sleep 1000"));
  const listen = () => {
    throw new TypeError("no such view");
  };
  await expect(buildOnce({ context, noCache: true }, { onEvent: listen })).rejects.toThrow("no such view");
});

test("closing the client cancels what runs", async () => {
  const client = createBuildkit({ address: inject("buildkit"), log: createLog("silent") });
  const heard = new EventEmitter();
  const context = createMemoryContext(dockerfile("FROM busybox", `RUN echo ${randomUUID()}; sleep 1000`));
  const started = once(heard, "log");
  const building = client.build(
    { context },
    { signal: new AbortController().signal, onEvent: ({ kind }) => heard.emit(kind) },
  );
  const failed = expect(building).rejects.toMatchObject({ code: "build_cancelled" });
  await started;
  client.close();
  await failed;
});
