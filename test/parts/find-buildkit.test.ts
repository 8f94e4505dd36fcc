import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { expect, inject, test } from "vitest";
import { defaultAddresses, type FindBuildkitOptions, findBuildkit } from "../../src/parts/find-buildkit.ts";
import { log, makeFolder } from "./scratch.ts";

function options(folder: string): FindBuildkitOptions {
  return {
    folder,
    insecureRegistries: [],
    defaults: [],
    path: process.env.PATH ?? "",
    toolsFolder: resolve(".tools/bin"),
    uid: process.getuid?.() ?? 0,
    userName: process.env.USER ?? "",
    log,
    signal: AbortSignal.timeout(110_000),
  };
}

test("a given address is taken before all others, whether it answers or not", async () => {
  await using scratch = await makeFolder();
  const given = "tcp://of-buildkit:1234";
  const found = await findBuildkit({ ...options(scratch.folder), given, defaults: [inject("buildkit")] });
  expect(found).toMatchObject({ address: given, from: "given" });
});

test("a running buildkitd is taken before one is started, and left running", async () => {
  await using scratch = await makeFolder();
  const dead = `unix://${join(scratch.folder, "dead.sock")}`;
  const search = { ...options(scratch.folder), defaults: [dead, inject("buildkit")] };
  const found = await findBuildkit(search);
  expect(found).toMatchObject({ address: inject("buildkit"), from: "running" });
  await found.stop();
  expect(await findBuildkit(search)).toMatchObject({ from: "running" });
});

test("a socket at which somebody else answers is passed over, and a buildkitd is started", async () => {
  await using scratch = await makeFolder();
  const socket = join(scratch.folder, "buildkitd.sock");
  await using server = createServer((connection) =>
    connection.on("error", () => {}).end("hello", () => connection.destroy()),
  );
  await new Promise<void>((settle) => server.listen(socket, settle));
  await using found = await findBuildkit({ ...options(join(scratch.folder, "own")), defaults: [`unix://${socket}`] });
  expect(found).toMatchObject({ address: `unix://${scratch.folder}/own/run/buildkitd.sock`, from: "started" });
});

test("where nothing can be started a Docker engine is taken, if there is one that can build", async () => {
  await using scratch = await makeFolder();
  const poor = { ...options(scratch.folder), path: "", toolsFolder: scratch.folder };
  const engine = "docker:///var/run/docker.sock";
  expect(await findBuildkit({ ...poor, findEngine: async () => engine })).toMatchObject({
    address: engine,
    from: "engine",
  });
  const none = findBuildkit({ ...poor, findEngine: async () => undefined });
  await expect(none).rejects.toMatchObject({ code: "tool_missing" });
});

test("what is missing is named, all of it, with the commands that install it", async () => {
  await using scratch = await makeFolder();
  const poor = {
    ...options(scratch.folder),
    path: "",
    toolsFolder: scratch.folder,
    uid: 4711,
    userName: "nobody-here",
  };
  const error = await findBuildkit(poor).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "tool_missing" });
  const lines = String(error).split("\n").slice(1);
  expect(lines).toEqual([
    expect.stringMatching(/^ {2}.*rootlesskit, uidmap: sudo apt-get install -y .*rootlesskit uidmap$/),
    "  buildkitd: npm run tools",
    "  user ids of containers: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody-here",
  ]);
});

test("root is not told to install what only users need", async () => {
  await using scratch = await makeFolder();
  const poor = { ...options(scratch.folder), path: "", toolsFolder: scratch.folder, uid: 0 };
  const error = await findBuildkit(poor).catch((thrown: unknown) => thrown);
  expect(String(error)).toContain("npm run tools");
  expect(String(error)).not.toMatch(/rootlesskit|uidmap|sudo/);
});

test("the default sockets are the system's and the user's", () => {
  expect(defaultAddresses(undefined)).toEqual(["unix:///run/buildkit/buildkitd.sock"]);
  expect(defaultAddresses("/run/user/7")).toEqual([
    "unix:///run/buildkit/buildkitd.sock",
    "unix:///run/user/7/buildkit/buildkitd.sock",
  ]);
});
