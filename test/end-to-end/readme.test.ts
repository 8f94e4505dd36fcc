import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, inject, test } from "vitest";
import { settingRows } from "../../src/config.ts";
import { createScratch } from "../database/scratch.ts";
import { createInstallation, digestOf } from "./serving.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The shell commands below a heading, without what explains them. */
function commandsBelow(heading: string): readonly string[] {
  const section = readme.split(/^#+ /m).find((text) => text.startsWith(heading)) ?? "";
  const blocks = [...section.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].map(([, block = ""]) => block);
  const commands = blocks.flatMap((block) => block.split("\n")).map((line) => line.replace(/ {2,}#.*$/, "").trim());
  return commands.filter((line) => line !== "");
}

test("the first two commands are what CI runs", () => {
  const commands = commandsBelow("of-builder\n");
  expect(commands.map((line) => line.replace(/ +#.*$/, ""))).toEqual(["npm run demo", "npm test"]);
  const ci = readFileSync(join(root, ".ci/run"), "utf8");
  for (const command of ["npm run demo", "npm test"]) expect(ci).toContain(`\n${command}`);
});

test("the commands that build on this machine do so", async () => {
  const commands = commandsBelow("Build on your machine");
  expect(commands).toHaveLength(8);
  await using home = await createScratch();
  await writeFile(join(home.path, ".npmrc"), "");
  const env = {
    PATH: process.env.PATH,
    HOME: home.path,
    data_path: join(home.path, "data"),
    BUILDKIT_HOST: inject("buildkit"),
    REGISTRY: inject("registry"),
  };
  try {
    for (const command of commands) {
      // The stack of this repository has no function whose name begins with api-.
      await run("sh", ["-c", command.replace("api-", "h")], { cwd: root, env });
    }
    expect(await digestOf("hello", "0.1")).toMatch(/^sha256:/);
    for (const name of ["hello", "shout", "stamp"]) {
      expect(existsSync(join(root, "build", name, "Dockerfile"))).toBe(true);
      expect(existsSync(join(root, "out", name))).toBe(true);
    }
  } finally {
    for (const folder of ["build", "out", "cache"]) await rm(join(root, folder), { recursive: true, force: true });
  }
});

test("the settings that serving GitHub is shown with exist", () => {
  const known = new Set(settingRows().flatMap(({ names }) => names));
  const named = commandsBelow("Serve GitHub").flatMap((line) =>
    [...line.matchAll(/(\w+)=/g)].map(([, name = ""]) => name),
  );
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test("the curl of POST /build builds and pushes", async () => {
  await using installation = await createInstallation();
  const serving = await installation.start();
  const script = commandsBelow("Build over HTTP")
    .join(" && ")
    .replaceAll("/tmp/test-image", join(installation.folder, "test-image"))
    .replace("127.0.0.1:5000", inject("registry"))
    .replace("http://127.0.0.1:8080", serving.address);
  const { stdout } = await run("sh", ["-c", script]);
  expect(stdout).toContain("HTTP/1.1 200 OK");
  expect(await digestOf("foo/bar", "latest")).toMatch(/^sha256:/);
});
