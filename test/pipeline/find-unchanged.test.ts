import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import type { GoodBuild } from "../../src/model/inputs.ts";
import type { MemoryHands } from "../../src/pipeline/find-unchanged.ts";
import { type PushWork, runPush } from "../../src/pipeline/run-push.ts";
import { buildBroken, push, recordingHands, rememberingSteps } from "./story.ts";

const dockerfile = "FROM busybox\nCOPY . /\n";

/** Functions whose contexts are told apart by their Dockerfiles alone. */
function stackOf(names: readonly string[], text = dockerfile): Record<string, string> {
  const functions = names.map((name) => `  ${name}: {lang: dockerfile, handler: ./${name}, image: ${name}}\n`);
  const files = names.map((name) => [`${name}/Dockerfile`, text] as const);
  return {
    "stack.yml": `provider: {name: openfaas}\nfunctions:\n${functions.join("")}`,
    Dockerfile: text,
    ...Object.fromEntries(files),
  };
}

/** A memory in a map, shared by the pushes of a test. */
function createMemory(changes: Partial<MemoryHands> = {}) {
  const builds = new Map<string, GoodBuild>();
  const copied: string[] = [];
  const memory: MemoryHands = {
    readGoodBuilds: async () => new Map(builds),
    storeGoodBuild: async (_push, name, { order: _, ...build }) => void builds.set(name, build),
    copyImage: async (from, to) => copied.push(`${from} ${to}`) > 0,
    hashContext: async () => "context",
    baseDigest: async () => "sha256:base",
    builder: "of-builder",
    ...changes,
  };
  return { memory, builds, copied };
}

async function tell(
  memory: MemoryHands,
  work: Partial<PushWork> = {},
  recorded = recordingHands(stackOf(["one", "two"])),
) {
  const hands = { ...recorded.hands, memory };
  const outcome = await runPush({ push, ...work }, rememberingSteps(hands), hands);
  return {
    ...recorded,
    outcome,
    statuses: recorded.told.map(({ context, state, description }) => `${context} ${state}: ${description}`),
  };
}

test("the second push of the same builds nothing; images get their new names, statuses name the commit", async () => {
  const { memory, copied } = createMemory();
  expect((await tell(memory)).built.sort()).toEqual(["one", "two"]);
  const later = { ...push, sha: "f".repeat(40) };
  const second = await tell(memory, { push: later });
  expect(second.built).toEqual([]);
  expect(second.outcome.description).toBe("stack is successfully built: 0 functions, 2 unchanged");
  const image = "registry:5000/alice/fns-one";
  expect(copied).toContain(`${image}@sha256:one ${image}:latest-main-1234567`);
  expect(second.statuses).toContain(`one success: unchanged since 1234567: image ${image}:latest-main-1234567`);
  expect(second.statuses.filter((line) => line.startsWith("one"))).toHaveLength(1);
});

test("what has changed is built before the others have their names, and those that lost their image after all", async () => {
  const { memory, builds } = createMemory();
  await tell(memory);
  builds.set("one", { ...(builds.get("one") as GoodBuild), inputs: "other" });
  const asked = Promise.withResolvers<void>();
  const recorded = recordingHands(stackOf(["one", "two"]));
  const { build } = recorded.hands;
  const hands = {
    ...recorded.hands,
    build: (...given: Parameters<typeof build>) => {
      asked.resolve();
      return build(...given);
    },
    memory: { ...memory, copyImage: () => asked.promise.then(() => false) },
  };
  expect((await runPush({ push }, rememberingSteps(hands), hands)).state).toBe("success");
  expect(recorded.built).toEqual(["one", "two"]);
});

test("S2 a function may have the name of what every object has", async () => {
  const { memory } = createMemory({ baseDigest: async () => undefined });
  expect((await tell(memory, {}, recordingHands(stackOf(["constructor"])))).built).toEqual(["constructor"]);
});

test("a forced push builds everything, and remembers it", async () => {
  const { memory, builds } = createMemory();
  await tell(memory);
  const sha = "e".repeat(40);
  expect((await tell(memory, { push: { ...push, sha }, force: true })).built).toHaveLength(2);
  expect(builds.get("one")?.sha).toBe(sha);
});

test.for<[string, Partial<MemoryHands>]>([
  ["the context", { hashContext: async () => "other" }],
  ["a base image", { baseDigest: async () => "sha256:moved" }],
  ["of-builder", { builder: "of-builder 2" }],
])("another state of %s is built", async ([, change]) => {
  const { memory } = createMemory();
  await tell(memory);
  expect((await tell({ ...memory, ...change })).built).toHaveLength(2);
});

const down = async () => {
  throw new BuilderError("registry_unreachable", "registry down");
};

test.for<[string, Partial<MemoryHands>]>([
  ["the base image is not known", { baseDigest: async () => undefined }],
  ["the base image's registry is down", { baseDigest: down }],
  ["the context cannot be read", { hashContext: down }],
  ["the image is gone", { copyImage: async () => false }],
  ["the registry refuses the new name", { copyImage: down }],
])("where %s everything is built", async ([, change]) => {
  const { memory } = createMemory();
  await tell(memory);
  const { built, outcome } = await tell({ ...memory, ...change });
  expect(built).toHaveLength(2);
  expect(outcome.state).toBe("success");
});

test("a bug in looking is logged, and everything is built", async () => {
  const { memory } = createMemory({
    hashContext: async () => {
      throw new TypeError("x is undefined");
    },
  });
  const { built, bugs } = await tell(memory);
  expect([built.length, bugs.length]).toEqual([2, 2]);
});

test("what failed is not remembered", async () => {
  const { memory, builds } = createMemory();
  const failing = () => recordingHands(stackOf(["one", "two"]), { one: [buildBroken()] });
  for (const _push of [1, 2]) expect((await tell(memory, {}, failing())).outcome.state).toBe("failure");
  expect([...builds.keys()]).toEqual(["two"]);
  expect((await tell(memory)).built).toEqual(["one"]);
});

test.for(["build_cancelled", "commit_gone", "stopping"] as const)(
  "a build that ends as %s strands no change: it is built by the next push, whatever that changes",
  async (code) => {
    const { memory, builds } = createMemory();
    await tell(memory);
    const changed = { ...memory, hashContext: async () => "changed" };
    const ending = () => new BuilderError(code, "cancelled");
    const attempts = [ending(), ending(), ending()];
    await tell(changed, {}, recordingHands(stackOf(["one", "two"]), { one: attempts }));
    expect(builds.get("one")?.inputs).not.toBe(builds.get("two")?.inputs);
    expect((await tell(changed)).built).toEqual(["one"]);
  },
);

test("where nothing can be known for sure, such as an address in ADD, nothing is remembered", async () => {
  const { memory, builds } = createMemory();
  await tell(memory, {}, recordingHands(stackOf(["one"], "FROM busybox\nADD https://example.com/x /x\n")));
  expect(builds.size).toBe(0);
});

test("an image of another repository is not taken over", async () => {
  const { memory, builds } = createMemory();
  await tell(memory);
  for (const [name, build] of builds) builds.set(name, { ...build, image: `registry:5000/alice/old-${name}:1` });
  expect((await tell(memory)).built).toHaveLength(2);
});

test("a base image of many functions is asked for once in a push", async () => {
  let asked = 0;
  const { memory } = createMemory({ baseDigest: async () => `sha256:${asked++}` });
  await tell(memory, {}, recordingHands(stackOf(["a", "b", "c", "d"])));
  expect(asked).toBe(1);
});

test("of more than 20 unchanged functions only the stack's status tells", async () => {
  const names = Array.from({ length: 21 }, (_, at) => `f${at}`);
  const { memory } = createMemory();
  await tell(memory, {}, recordingHands(stackOf(names)));
  const { statuses } = await tell(memory, {}, recordingHands(stackOf(names)));
  expect(statuses).toHaveLength(2);
  expect(statuses.at(-1)).toBe("stack-deploy success: stack is successfully built: 0 functions, 21 unchanged");
});
