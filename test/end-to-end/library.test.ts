import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type BuildOrder, createBuilder } from "of-builder";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createInstallation, digestOf, type Installation, type Serving } from "./serving.ts";

const main = join(import.meta.dirname, "../../src/cli/main.ts");
let installation: Installation;
let keyFile: string;
let serving: Serving;
let folder: string;

beforeAll(async () => {
  installation = await createInstallation();
  await writeFile(join(installation.folder, "secrets", "payload-secret"), "library secret");
  keyFile = join(installation.folder, "secrets", "build-secrets-key");
  serving = await installation.start();
  folder = await mkdtemp(join(tmpdir(), "of-builder-library-"));
  await writeFile(join(folder, "Dockerfile"), "FROM busybox\nARG WHO\nRUN echo hello $WHO | tr a-z A-Z\n");
});
afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const builders = {
  BuildKit: () => createBuilder({ buildkit: inject("buildkit") }),
  "a server": () => createBuilder({ url: serving.address, payloadSecret: "library secret" }),
};

test.for(["BuildKit", "a server"] as const)("a Node program builds a folder on %s and hears of it", async (place) => {
  using builder = builders[place]();
  const name = `library/${place.replace(" ", "-").toLowerCase()}`;
  const order: BuildOrder = { context: folder, image: `${inject("registry")}/${name}:1`, buildArgs: { WHO: place } };
  const printed: string[] = [];
  const { digest } = await builder.build(order, {
    onEvent: (event) => event.kind === "log" && printed.push(event.text),
  });
  expect(printed.join("")).toContain(`HELLO ${place.toUpperCase()}`);
  expect(digest).toBe(await digestOf(name, "1"));
});

test.for(["BuildKit", "a server"] as const)("a Node program gives secrets to a build on %s", async (place) => {
  await promisify(execFile)(process.execPath, [main, "keygen", "-o", keyFile]).catch(() => undefined);
  const names = await mkdtemp(join(tmpdir(), "of-builder-library-"));
  try {
    const steps = ["text", "bytes"].map(
      (id) => `RUN --mount=type=secret,id=${id},required=true grep -q "^secret ${id}$" /run/secrets/${id}\n`,
    );
    await writeFile(join(names, "Dockerfile"), `FROM busybox\nARG WHO=${place}\n${steps.join("")}`);
    using builder = builders[place]();
    const secrets = { text: "secret text", bytes: Buffer.from("secret bytes") };
    // In this order: what was built with them is in the cache.
    await expect(builder.build({ context: names, image: "x/y", push: false })).rejects.toThrow();
    await builder.build({ context: names, image: "x/y", push: false, secrets });
  } finally {
    await rm(names, { recursive: true });
  }
});

test.for(["BuildKit", "a server"] as const)("a build on %s can be cancelled while it runs", async (place) => {
  using builder = builders[place]();
  const slow = await mkdtemp(join(tmpdir(), "of-builder-library-"));
  try {
    await writeFile(join(slow, "Dockerfile"), `FROM busybox\nRUN echo ${place} begins && sleep 600\n`);
    const stop = new AbortController();
    const building = builder.build(
      { context: slow, image: "x/y", push: false },
      { signal: stop.signal, onEvent: (event) => event.kind === "log" && stop.abort(new Error("enough of it")) },
    );
    await expect(building).rejects.toThrow();
    expect(stop.signal.aborted).toBe(true);
  } finally {
    await rm(slow, { recursive: true });
  }
});

test.for(["BuildKit", "a server"] as const)("a build that fails on %s says why", async (place) => {
  using builder = builders[place]();
  const entry = {
    path: "Dockerfile",
    mode: 0o644,
    size: 25,
    modifiedNs: 0n,
    linkTarget: "",
    open() {
      let rest = Buffer.from("FROM busybox\nRUN exit  42\n".slice(0, 25));
      return {
        read(target: Uint8Array) {
          const length = rest.copy(target);
          rest = rest.subarray(length);
          return length;
        },
        close() {},
      };
    },
  };
  const context = { list: async (directory: string) => (directory === "" ? [entry] : []) };
  await expect(builder.build({ context, image: "x/y", push: false })).rejects.toMatchObject({
    code: "build_failed",
    message: expect.stringContaining("exit code 42"),
  });
});
