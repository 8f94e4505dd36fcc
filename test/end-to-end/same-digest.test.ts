import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startDaemon } from "../buildkit/daemons.ts";
import { createScratch } from "../buildkit/scratch-folder.ts";
import { createInstallation, digestOf, owner, stackOf } from "./serving.ts";

const run = promisify(execFile);

test("a commit that is built twice, the second time without any cache, gives one digest", async () => {
  await using daemon = await startDaemon(join(await createScratch(), "buildkit"));
  await using installation = await createInstallation({
    BUILDKIT_HOST: daemon.address,
    source_date_epoch: "commit",
    build_branch: "*",
  });
  const serving = await installation.start();
  const dockerfile = `FROM busybox\nCOPY . /home\nRUN mkdir /made && echo ${Math.random()} > /made/file\n`;
  const { github } = installation;
  const { sha } = await github.createRepository(owner, "dated", {
    files: stackOf({ one: dockerfile }),
    branch: "main",
  });
  const branches = ["main", "next"];
  for (const branch of branches) {
    // What is remembered of a branch is not known of another one: nothing is unchanged there.
    await run("git", ["-C", join(github.folder, owner, "dated.git"), "update-ref", `refs/heads/${branch}`, sha]);
    const guid = randomUUID();
    await installation.push(serving, { name: "dated", sha, branch, guid });
    await serving.logged("push ended: ", ({ delivery }) => delivery === guid);
    await run(resolve(".tools/bin/buildctl"), ["--addr", daemon.address, "prune", "--all"]);
  }
  expect(serving.log.filter(({ msg }) => msg === "build started")).toHaveLength(2);
  const [first, second] = await Promise.all(
    branches.map((branch) => digestOf("alice/dated-one", `1-${branch}-${sha.slice(0, 7)}`)),
  );
  expect(first).toMatch(/^sha256:/);
  expect(second).toBe(first);
});
