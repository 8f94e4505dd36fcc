import { defineConfig } from "vitest/config";

/** Rooms whose tests need real programs: BuildKit, a registry, PostgreSQL, git. */
const realRooms = ["buildkit", "database", "end-to-end", "git", "github", "jobs", "parts", "registry", "server"];
const realTests = realRooms.map((room) => `test/${room}/**/*.test.ts`);

export default defineConfig({
  test: {
    teardownTimeout: 60_000,
    coverage: {
      provider: "v8",
      include: ["src/**"],
      exclude: ["src/buildkit/generated/**"],
    },
    projects: [
      { test: { name: "pure", include: ["test/**/*.test.ts"], exclude: realTests } },
      {
        test: {
          name: "real",
          include: realTests,
          globalSetup: "test/real-parts.ts",
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
