import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { defineConfig } from "vitest/config";

/** Rooms whose tests need real programs: BuildKit, a registry, PostgreSQL, git. */
const realRooms = [
  "buildkit",
  "database",
  "end-to-end",
  "git",
  "github",
  "jobs",
  "logs",
  "parts",
  "registry",
  "server",
];
const realTests = realRooms.map((room) => `test/${room}/**/*.test.ts`);

/** A Docker engine is only installed by CI: where root has none, its tests are left out, and that is said. */
const engineTest = "test/buildkit/docker-engine.test.ts";
const hasEngine =
  process.getuid?.() === 0 &&
  [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].some((folder) => existsSync(join(folder, "dockerd")));
if (!hasEngine)
  console.warn(
    `${engineTest} is left out: it takes root and a dockerd (Debian: apt-get install docker.io, or TEST_DOCKER_ENGINE=install)`,
  );

/** What guards the door, where a line that no test reaches is not acceptable: signatures, refs, paths, names. */
const door = [
  "src/contexts/{entry-name,link-guard}.ts",
  "src/git/{git-address,git-environment}.ts",
  "src/github/{clone-url,payload,signature,webhook}.ts",
  "src/model/{git-names,image-name}.ts",
  "src/server/{build-signature,webhook-route}.ts",
];

export default defineConfig({
  test: {
    teardownTimeout: 60_000,
    // Tests mostly wait for programs: with one file at a time two cores were half idle.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    coverage: {
      provider: "v8",
      reporter: ["text"],
      include: [...door],
      thresholds: { 100: true, perFile: true },
    },
    projects: [
      { test: { name: "pure", include: ["test/**/*.test.ts"], exclude: realTests, testTimeout: 60_000 } },
      {
        test: {
          name: "real",
          include: realTests,
          exclude: hasEngine ? [] : [engineTest],
          globalSetup: "test/real-parts.ts",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
