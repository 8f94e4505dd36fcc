import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { startDaemon } from "../buildkit/daemons.ts";
import { createScratch } from "../buildkit/scratch-folder.ts";

const run = promisify(execFile);
const command = new URL("../../bin/of-builder.js", import.meta.url).pathname;

test.for([
  {
    what: "grants every build the whole machine",
    args: ["--allow-insecure-entitlement", "security.insecure"],
    line: "entitlements security.insecure",
    fix: "Take security.insecure out of buildkitd's insecure-entitlements",
  },
  {
    what: "copies every layer whole",
    args: ["--oci-worker-snapshotter", "native"],
    line: "snapshotter native",
    fix: "Let buildkitd keep its layers in overlayfs",
  },
  {
    what: "never forgets",
    args: ["--oci-worker-gc=false"],
    line: "forgets nothing: it has no rules",
    fix: "Switch garbage collection on in buildkitd.toml (gc = true)",
  },
  {
    what: "does all of that",
    args: [
      "--allow-insecure-entitlement",
      "security.insecure",
      "--oci-worker-snapshotter=native",
      "--oci-worker-gc=false",
    ],
    line: "snapshotter native",
    fix: "Take security.insecure",
    also: ["Let buildkitd keep its layers in overlayfs", "Switch garbage collection on"],
  },
])("a daemon that $what is told as doubtful, with what to do", async ({ args, line, fix, also = [] }) => {
  const folder = await createScratch();
  const daemon = await startDaemon(join(folder, "daemon"), { args });
  onTestFinished(() => daemon.stop());
  const env = { PATH: process.env.PATH, HOME: folder, data_path: folder, BUILDKIT_HOST: daemon.address };
  const { stdout } = await run(process.execPath, [command, "doctor"], { cwd: folder, env });
  const [finding = ""] = stdout.split(/^(?=[✔!✖])/mu);
  expect(finding).toMatch(/^! BuildKit at unix:/);
  expect(finding).toContain(`\n  ${line}\n`);
  for (const each of [fix, ...also]) expect(finding).toContain(`\n  → ${each}`);
});
