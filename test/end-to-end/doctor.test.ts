import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished, test } from "vitest";

const command = new URL("../../bin/of-builder.js", import.meta.url).pathname;

async function doctor(env: Record<string, string>): Promise<{ code: number; output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "of-builder-doctor-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const surroundings = { PATH: process.env.PATH, HOME: folder, DOCKER_CONFIG: folder, data_path: folder };
  return new Promise((resolve) => {
    const options = { env: { ...surroundings, ...env }, cwd: folder };
    execFile(process.execPath, [command, "doctor"], options, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, output: stdout + stderr });
    });
  });
}

test("a daemon and a registry that are well are told with all that there is to know", async () => {
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit"), push_repository_url: inject("registry") });
  expect(output).toMatch(/^✔ BuildKit at unix:/);
  expect(output).toMatch(/^ {2}version v\d+\.\d+\.\d+/m);
  expect(output).toMatch(/^ {2}platforms linux\//m);
  expect(output).toMatch(/^ {2}snapshotter \w+$/m);
  expect(output).toMatch(/^ {2}forgets \S/m);
  expect(output).toMatch(/^ {2}entitlements \S/m);
  expect(output).toContain(`✔ a push from ${inject("buildkit")} to ${inject("registry")}`);
  expect(output).toMatch(/^ {2}pushed and read back over plain HTTP$/m);
  expect(output).toMatch(/^ {2}(deleted again|left there: .*)$/m);
  expect(output).toMatch(/^✔ the clock of .*\n {2}differs by \d+\.\d s$/m);
  expect(code).toBe(0);
});

test("each thing that is wrong is told with what to do, and the rest is looked at all the same", async () => {
  const addresses = `tcp://127.0.0.1:1,${inject("buildkit")}`;
  const { code, output } = await doctor({ BUILDKIT_HOST: addresses, push_repository_url: "127.0.0.1:1/team" });
  expect(output).toMatch(/^✖ BuildKit at tcp:\/\/127\.0\.0\.1:1\n {2}.*\n {2}→ .*start buildkitd/m);
  expect(output).toMatch(/^✔ BuildKit at unix:/m);
  expect(output).toMatch(/^✖ a push from unix:.* to 127\.0\.0\.1:1\/team\n {2}.*\n {2}→ Start the registry/m);
  expect(code).toBe(1);
});

test("without a registry the build is tried alone", async () => {
  const { code, output } = await doctor({ BUILDKIT_HOST: inject("buildkit") });
  expect(output).toMatch(/^✔ a build at unix:.*\n {2}→ Set push_repository_url/m);
  expect(code).toBe(0);
});
