import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { installPackage } from "../install-package.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");

const program = `import { createBuilder, type Builder } from "of-builder";
import { createBuildkit, type Buildkit } from "of-builder/buildkit";
const builder: Builder = createBuilder({ url: "http://127.0.0.1:1", payloadSecret: "s" });
const order = { context: ".", image: "x" };
const { digest }: { digest: string | undefined } = await builder
  .build(order, { onEvent: (event) => console.log(event.kind) })
  .catch((error) => ({ digest: error.code }));
console.log(digest);
const buildkit: Buildkit = createBuildkit({ address: "tcp://127.0.0.1:1" });
const signal: AbortSignal = AbortSignal.timeout(10_000);
console.log(await buildkit.check({ signal }).catch((error) => error.code));
`;

test("the published package works below node_modules: the library with its types, and the command", {
  timeout: 120_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-package-"));
  try {
    const installed = await installPackage(folder);
    await writeFile(join(folder, "package.json"), '{"type":"module"}');
    await writeFile(join(folder, "Dockerfile"), "FROM scratch\n");
    await writeFile(join(folder, "use.ts"), program);
    expect((await run(process.execPath, ["use.ts"], { cwd: folder })).stdout).toBe(
      "builder_unreachable\nbuildkit_unreachable\n",
    );
    const flags = [
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2024",
      "--lib",
      "es2024,esnext.disposable",
      "--types",
      "node",
    ];
    await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...flags, "use.ts"], { cwd: folder });
    const { stdout } = await run(process.execPath, [join(installed, "bin/of-builder.js"), "remote-build", "--help"]);
    expect(stdout).toContain("--payload-secret");
  } finally {
    await rm(folder, { recursive: true });
  }
});
