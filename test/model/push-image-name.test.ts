import { expect, test, vi } from "vitest";
import { imageOfPush } from "../../src/model/push-image-name.ts";
import { createRandom } from "../random.ts";

/** A busy machine takes its time. */
vi.setConfig({ testTimeout: 60_000 });

const push = {
  owner: "alexellis",
  repository: "go-fns-tester",
  branch: "master",
  sha: "04b8e44988f2a5e4b2a14a4d8ea0ea9d9a0b0000",
};

test.for([
  ["registry:5000", "func:0.2", "registry:5000/alexellis/go-fns-tester-func:0.2-master-04b8e44"],
  ["registry:5000", "alexellis2/func", "registry:5000/alexellis/go-fns-tester-func:latest-master-04b8e44"],
  [
    "docker.io/of-community/",
    "alexellis2/func",
    "docker.io/of-community/alexellis-go-fns-tester-func:latest-master-04b8e44",
  ],
] as const)("%s and image %s give OpenFaaS Cloud's name %s", ([registry, image, name]) => {
  expect(imageOfPush({ registry, image, push })).toBe(name);
});

const named = (image: string, given: Partial<typeof push> = {}, registry = "r") =>
  imageOfPush({ registry, image, push: { ...push, repository: "fns", ...given } });

test("a repository with dashes keeps the original's name", () => {
  const repository = "my-fns";
  expect(named("hello:0.1", { repository })).toBe("r/alexellis/my-fns-hello:0.1-master-04b8e44");
  expect(named("hello", { repository }, "r/")).toBe("r/alexellis-my-fns-hello:latest-master-04b8e44");
});

test("owner and repository are the same in any case", () => {
  expect(named("fn", { owner: "Alex", repository: "Fns" })).toBe("r/alex/fns-fn:latest-master-04b8e44");
});

test.for([
  ["a branch with a slash", () => named("fn", { branch: "feature/x" }), "r/alexellis/fns-fn:latest-feature-x--"],
  ["a branch beyond ASCII", () => named("fn", { branch: "über x" }), "r/alexellis/fns-fn:latest--ber-x--"],
  ["a branch called like a pull request", () => named("fn", { branch: "pr-7" }), "r/alexellis/fns-fn:latest-pr-7--"],
  ["a branch in capitals", () => named("fn", { branch: "Main" }), "r/alexellis/fns-fn:latest-main--"],
  ["a tag with a dash", () => named("fn:1-rc"), "r/alexellis/fns-fn:1-rc-master--"],
  ["a tag in capitals", () => named("fn:V1"), "r/alexellis/fns-fn:v1-master--"],
  ["an image with a dash", () => named("hello-fn"), "r/alexellis/fns-hello-fn--"],
  [
    "an image with a dash, where all share one account",
    () => named("hello-fn", {}, "r/"),
    "r/alexellis-fns-hello-fn--",
  ],
  ["an image in capitals", () => named("Fn"), "r/alexellis/fns-fn--"],
  ["a repository with a dot first", () => named("fn", { repository: ".github" }), "r/alexellis/github-fn--"],
  ["a repository with two dashes", () => named("fn", { repository: "a--b" }), "r/alexellis/a-b-fn--"],
  ["an owner with a dash last", () => named("fn", { owner: "me-" }), "r/me--"],
  ["an owner with a dash, where all share one account", () => named("fn", { owner: "a-b" }, "r/"), "r/a-b-fns-fn--"],
] as const)("S7 %s gets a hash where it is ambiguous", ([, name, start]) => {
  expect(name()).toMatch(new RegExp(`^${start}[0-9a-f]{16}[:/-]`.replaceAll(".", "\\.")));
});

test.for([
  [{ repository: "a-b" }, "c", { repository: "a" }, "b-c"],
  [{ repository: "a-b" }, "c-d", { repository: "a" }, "b-c-d"],
  [{ owner: "a", repository: "b-c" }, "d", { owner: "a-b", repository: "c" }, "d"],
  [{ branch: "b" }, "fn:1-a", { branch: "a-b" }, "fn:1"],
  [{ branch: "feature/x" }, "fn", { branch: "feature-x" }, "fn"],
  [{ branch: "Main" }, "fn", { branch: "main" }, "fn"],
  [{}, "fn:A", {}, "fn:a"],
  [{}, "Fn", {}, "fn"],
  [{ repository: "a..b" }, "fn", { repository: "a-b" }, "fn"],
] as const)("S7 %j with image %s is not %j with image %s", ([here, image, there, other]) => {
  for (const registry of ["r", "r/"]) expect(named(image, here, registry)).not.toBe(named(other, there, registry));
});

test("S7 what looks like a hash is told from one", () => {
  const name = named("Fn", { repository: "a" });
  const [, hash = ""] = /--([0-9a-f]+):/.exec(name) ?? [];
  expect(named(`fn--${hash}`, { repository: "a" })).not.toBe(name);
  expect(named(hash, { repository: "a-fn-" })).not.toBe(name);
});

test("S7 whatever path an image names, it stays below its own repository", () => {
  for (const image of ["registry:5000/other/fn", "other/secret/fn", "../../other/fn", "localhost/fn"])
    expect(named(image)).toBe("r/alexellis/fns-fn:latest-master-04b8e44");
});

const nameOfPull = (image: string) =>
  imageOfPush({ registry: "r", image, push: { ...push, branch: "pr-7", pullRequest: {} } });

test("a pull request's images are called by its number", () => {
  expect(nameOfPull("fn")).toBe("r/alexellis/go-fns-tester-fn:latest-pr-7-04b8e44");
});

test("a long branch leaves the commit in a tag of at most 128 characters, and its own hash", () => {
  const long = (branch: string) => named(`fn:${"1".repeat(128)}`, { branch });
  expect(long("b".repeat(90)).split(":")[1]).toHaveLength(128);
  expect(long("b".repeat(90)).endsWith("-04b8e44")).toBe(true);
  expect(long("b".repeat(90))).not.toBe(long("b".repeat(91)));
});

test("names of the greatest length that GitHub has still fit", () => {
  const name = named("f".repeat(120), { owner: "o".repeat(39), repository: "p".repeat(100) }, "registry.example.com");
  expect(name.split(":")[0]?.length).toBeLessThanOrEqual(255);
});

test.for(["fn@sha256:00", "é", "-fn", "a/", "fn:", "a b", "a\nb", "a:t:u@", "a..b"])(
  "S7 the image %j is refused",
  (image) => {
    expect(() => named(image)).toThrow(expect.objectContaining({ code: "name_invalid" }));
  },
);

test("a branch that could keep an expression busy for ever does not", () => {
  expect(named("fn", { branch: `${"a".repeat(200)}!` })).toMatch(/-04b8e44$/);
});

test.for(["r", "r/"])("S7 no two triples of owner, repository and image share a path in %s", (registry) => {
  const words = ["a", "b", "ab", "a-b", "b-a", "a-a-b", "a--b", "a-", "a.b", "a_b", "a__b", "é-a", ".a"];
  const triples = words.flatMap((owner) =>
    words.flatMap((repository) => [...words, "A", "a-B", "A-b"].map((image) => ({ owner, repository, image }))),
  );
  const names = triples.map(({ image, ...given }) => nameOrNothing(() => named(image, given, registry)));
  const clashes = triples.filter((_, at) => names[at] !== undefined && names.indexOf(names[at]) !== at);
  expect(clashes).toEqual([]);
  expect(names.filter((name) => name !== undefined).length).toBeGreaterThan(2000);
});

test("S7 no two different functions, branches or commits ever have one name", () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const random = createRandom(seed).next;
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const word = (signs: readonly string[], longest: number) =>
    Array.from({ length: 1 + Math.floor(random() * longest) }, () => pick(signs)).join("");
  const seen = new Map<string, string>();
  const clashes: string[] = [];
  let named = 0;
  for (let round = 0; round < 20_000; round++) {
    const registry = pick(["r", "r/x"]) + (seed % 2 === 0 ? "" : "/");
    const owner = `o${word(["a", "B", "-", "_", "é"], 4)}`;
    const repository = word(["a", "B", "-", "_", ".", "é"], 4);
    const image = word(["a", "A", "b", "-", "_", "."], 4) + pick(["", ":a", ":A", ":a-b", ":b"]);
    const branch = word(["a", "A", "b", "-", "/", "é", ".", "_"], 4);
    const sha = pick(["a".repeat(40), "b".repeat(40)]);
    const key = JSON.stringify([registry, owner.toLowerCase(), repository.toLowerCase(), image, branch, sha]);
    const name = nameOrNothing(() => imageOfPush({ registry, image, push: { owner, repository, branch, sha } }));
    if (name === undefined) continue;
    named++;
    const isOwn = name.startsWith(`${registry.replace(/\/$/, "")}/o`);
    if (!isOwn || (seen.get(name) ?? key) !== key) clashes.push(`${name}: ${key} and ${seen.get(name)}`);
    seen.set(name, key);
  }
  expect(clashes, `seed ${seed}`).toEqual([]);
  expect(named, `seed ${seed}`).toBeGreaterThan(5000);
});

function nameOrNothing(make: () => string): string | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
