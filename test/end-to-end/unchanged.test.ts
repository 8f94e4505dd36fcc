import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { copyManifest } from "../../src/registry/manifest.ts";
import { createInstallation, digestOf, type Installation, owner, type Serving, stackOf } from "./serving.ts";

let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  // Without an App statuses go to the log alone, and not at the pace that GitHub asks for.
  installation = await createInstallation({ docker_mirror: inject("registry"), github_app_id: "" });
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

const access = { insecure: true, credentials: async () => undefined, signal: AbortSignal.timeout(120_000) };
const tagOf = (sha: string) => `1-main-${sha.slice(0, 7)}`;
const solves = () => serving.log.filter(({ msg }) => msg === "build started").length;

/** Delivers the push of a commit, a new one where it is not given; answers its statuses, and how many builds it took. */
async function push(name: string, files: Record<string, string>, known?: string) {
  const before = solves();
  const sha = known ?? (await installation.github.commit(owner, name, { files, branch: "main", message: "change" }));
  await installation.push(serving, { name, sha, branch: "main" });
  const commit = `${owner}/${name}@${sha.slice(0, 7)}`;
  await serving.logged("push ended", (entry) => entry.commit === commit);
  const told = serving.log.filter(
    (entry) => entry.commit === commit && entry.context !== undefined && entry.state !== "pending",
  );
  const statuses = Object.fromEntries(told.map(({ context, state, msg }) => [String(context), `${state}: ${msg}`]));
  return { sha, statuses, built: solves() - before };
}

async function create(name: string, files: Record<string, string>) {
  const { sha } = await installation.github.createRepository(owner, name, { files, branch: "main" });
  return push(name, files, sha);
}

test("one change among 22 functions costs one build; the others' images get the new name", async () => {
  const names = Array.from({ length: 22 }, (_, at) => `fn${at}`);
  const first = await create(
    "many",
    stackOf(Object.fromEntries(names.map((name) => [name, `FROM busybox\nRUN echo ${name}\n`]))),
  );
  expect(first.statuses["stack-deploy"]).toBe("success: stack is successfully built: 22 functions");
  expect(first.built).toBe(22);

  const second = await push("many", { "fn7/Dockerfile": "FROM busybox\nRUN echo changed\n" });
  expect(second.statuses["stack-deploy"]).toBe("success: stack is successfully built: 1 function, 21 unchanged");
  expect(second.built).toBe(1);
  for (const name of names) {
    const [earlier, now] = [
      await digestOf(`alice/many-${name}`, tagOf(first.sha)),
      await digestOf(`alice/many-${name}`, tagOf(second.sha)),
    ];
    expect(now).toMatch(/^sha256:/);
    if (name === "fn7") expect(now).not.toBe(earlier);
    else expect(now).toBe(earlier);
  }
});

test("an unchanged function's status names the commit that built it, and it keeps naming it", async () => {
  const first = await create(
    "named",
    stackOf({ one: "FROM busybox\nRUN echo one\n", two: "FROM busybox\nRUN echo two\n" }),
  );
  const second = await push("named", { "two/x": "new" });
  const third = await push("named", { "two/x": "newer" });
  const image = (sha: string) => `${inject("registry")}/alice/named-one:${tagOf(sha)}`;
  for (const { sha, statuses, built } of [second, third]) {
    expect(statuses.one).toBe(`success: unchanged since ${first.sha.slice(0, 7)}: image ${image(sha)}`);
    expect(statuses["stack-deploy"]).toBe("success: stack is successfully built: 1 function, 1 unchanged");
    expect(built).toBe(1);
  }
});

test("a failed build leaves its change to be built, and going back needs no build", async () => {
  const good = "FROM busybox\nRUN echo fine\n";
  const first = await create("stranded", stackOf({ one: good, two: good }));
  const broken = { "one/Dockerfile": "FROM busybox\nRUN exit 3\n" };
  for (const files of [broken, { "README.md": "x" }]) {
    const { statuses, built } = await push("stranded", files);
    expect(statuses.one).toMatch(/^failure: one\/Dockerfile:2 /);
    expect(built).toBe(1);
  }
  const back = await push("stranded", { "one/Dockerfile": good });
  expect(back.built).toBe(0);
  expect(back.statuses.one).toContain(`unchanged since ${first.sha.slice(0, 7)}`);
});

test("a base image that has become another one, and a changed template, rebuild what is made of them", async () => {
  const bases = `${inject("registry")}/alice/bases-base`;
  const v1 = await create("bases", stackOf({ base: "FROM busybox\nRUN echo 1 > /version\n" }));
  const v2 = await push("bases", { "base/Dockerfile": "FROM busybox\nRUN echo 2 > /version\n" });
  const move = async (sha: string) => {
    const digest = await digestOf("alice/bases-base", tagOf(sha));
    expect(await copyManifest(`${bases}@${digest}`, `${bases}:moving`, access)).toBe(true);
  };
  await move(v1.sha);
  const files = stackOf({ based: `FROM ${bases}:moving\nRUN cat /version\n`, other: "FROM busybox\nRUN echo other\n" });
  const templated = `${files["stack.yml"]}  shaped: {lang: small, handler: ./shaped, image: "shaped:1"}\n`;
  const all = {
    ...files,
    "stack.yml": templated,
    "shaped/x": "x",
    "template/small/Dockerfile": "FROM busybox\nCOPY . /a\n",
  };
  expect((await create("made-of", all)).built).toBe(3);

  expect((await push("made-of", { "README.md": "nothing" })).built).toBe(0);
  await move(v2.sha);
  const moved = await push("made-of", { "README.md": "the base has moved" });
  expect(moved.built).toBe(1);
  expect(moved.statuses.based).toMatch(/in the registry$/);
  const reshaped = await push("made-of", { "template/small/Dockerfile": "FROM busybox\nCOPY . /b\n" });
  expect(reshaped.built).toBe(1);
  expect(reshaped.statuses.shaped).toMatch(/in the registry$/);
});

test("an image that is gone from the registry is built again", async () => {
  const first = await create("gone", stackOf({ one: "FROM busybox\nRUN echo gone\n" }));
  const digest = await digestOf("alice/gone-one", tagOf(first.sha));
  const deleted = await fetch(`http://${inject("registry")}/v2/alice/gone-one/manifests/${digest}`, {
    method: "DELETE",
  });
  expect(deleted.status).toBe(202);
  const second = await push("gone", { "README.md": "x" });
  expect(second.built).toBe(1);
  expect(await digestOf("alice/gone-one", tagOf(second.sha))).toMatch(/^sha256:/);
});

test("images are built once more when their times come from elsewhere, and then keep the time of their commit", async () => {
  const first = await create("dated", stackOf({ one: "FROM busybox\nRUN echo dated\n" }));
  await serving.end("SIGTERM");
  installation.settings.source_date_epoch = "commit";
  serving = await installation.start();
  const dated = await push("dated", { "README.md": "x" });
  expect([first.built, dated.built]).toEqual([1, 1]);
  const later = await push("dated", { "README.md": "y" });
  expect(later.built).toBe(0);
  expect(later.statuses.one).toContain(`unchanged since ${dated.sha.slice(0, 7)}`);
  const digests = await Promise.all([dated, later].map(({ sha }) => digestOf("alice/dated-one", tagOf(sha))));
  expect(digests[1]).toBe(digests[0]);
});
