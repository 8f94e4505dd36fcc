import { expect, test } from "vitest";
import { readDelivery } from "../../src/github/webhook.ts";
import { examplesOf, payloadExamples, signDelivery } from "../github-server/deliveries.ts";
import { guid, plainPolicy, push, read, secret } from "./reading.ts";

test("a push to the default branch becomes a Push", async () => {
  expect(await read(push())).toEqual({
    guid,
    event: "push",
    action: undefined,
    owner: "Codertocat",
    repository: "Hello-World",
    decision: {
      kind: "push",
      push: {
        delivery: guid,
        kind: "push",
        owner: "Codertocat",
        repository: "Hello-World",
        repositoryId: "186853002",
        installationId: "1",
        private: false,
        ref: "refs/heads/master",
        branch: "master",
        environment: "",
        sha: "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        forced: false,
        pushedAt: expect.any(Number),
        committedAt: Date.parse("2019-05-15T15:19:25Z") / 1000,
        cloneUrl: "https://github.com/Codertocat/Hello-World.git",
      },
    },
  });
});

const everyExample = payloadExamples.flatMap(({ name, examples }) =>
  examples.map((example, index) => ({ name, index, example })),
);

/** What each of GitHub's examples leads to; all others are ignored. */
const expected: Readonly<Record<string, string>> = {
  "push refs/heads/master": "push",
  "pull_request opened": "push",
  "pull_request synchronize": "push",
  "pull_request reopened": "push",
  "check_suite rerequested": "command",
  "installation created": "installed",
  "installation deleted": "installed",
  "installation suspend": "installed",
  "installation unsuspend": "installed",
  "installation new_permissions_accepted": "installed",
  "installation_repositories added": "installed",
  "installation_repositories removed": "installed",
  "repository renamed": "installed",
  "repository transferred": "installed",
  "repository privatized": "installed",
  "repository publicized": "installed",
};

test.for(everyExample)("GitHub's example $name $index leads to what it shall", async ({ name, example }) => {
  const { decision } = await read(example, { event: name });
  expect(decision.kind).toBe(expected[`${name} ${example.action ?? example.ref}`] ?? "ignored");
  if (decision.kind === "ignored") expect(decision.reason).toMatch(/./);
});

test.for([
  ["ping", { zen: "Keep it logically awesome." }, /^pong: the webhook reaches this server/],
  ["issues", {}, /event "issues" is not handled/],
  ["constructor", {}, /event "constructor" is none/],
  ["telepathy", {}, /event "telepathy" is none that GitHub is known to send/],
  ["push", push({ ref: "refs/tags/v1" }), /"refs\/tags\/v1" is a tag: build_tags has none/],
  ["push", push({ ref: "HEAD" }), /"HEAD" is no branch/],
  ["push", push({ deleted: true, after: "0".repeat(40) }), /"refs\/heads\/master" was deleted/],
  ["push", push({ after: "0".repeat(40) }), /was deleted/],
  ["push", push({ after: "HEAD" }), /commit "HEAD" is not accepted/],
  ["push", push({ ref: "refs/heads/-x" }), /branch "-x" is not accepted/],
  ["push", push({ ref: "refs/heads/a..b" }), /branch "a..b" is not accepted/],
  ["push", push({ ref: "refs/heads/a b" }), /branch "a b" is not accepted/],
  ["push", push({ ref: "refs/heads/" }), /branch "" is not accepted/],
  ["push", push({ owner: { login: "../etc" } }), /owner "\.\.\/etc" is not accepted/],
  ["push", push({ repository: { name: "--upload-pack=x" } }), /repository "--upload-pack=x" is not accepted/],
] as const)("W13 %s is ignored with a reason: %#", async ([event, payload, reason]) => {
  expect((await read(payload, { event })).decision).toEqual({ kind: "ignored", reason: expect.stringMatching(reason) });
});

test("who an event is about is kept", async () => {
  const { owner, action } = await read(
    { action: "created", installation: { id: 1, account: { login: "octocat" } } },
    { event: "installation" },
  );
  expect([owner, action]).toEqual(["octocat", "created"]);
});

test("only customers are built, and nobody is asked about before the signature holds", async () => {
  const asked: string[] = [];
  const customers = async (owner: string) => asked.push(owner) > 1;
  const unsigned = { ...signDelivery(push(), { guid, secret: "wrong" }) };
  await expect(readDelivery(unsigned, { secrets: [secret], policy: plainPolicy, customers })).rejects.toMatchObject({
    code: "signature_wrong",
  });
  expect(asked).toEqual([]);
  expect((await read(push(), { customers })).decision).toEqual({
    kind: "ignored",
    reason: 'Customer: "Codertocat" not found in customers ACL',
  });
  expect((await read(push(), { customers })).decision.kind).toBe("push");
});

test("a push outside of any installation, without a head commit, is still a push", async () => {
  const { decision } = await read(push({ installation: undefined, head_commit: null }));
  expect(decision).toMatchObject({ push: { installationId: undefined, committedAt: 0 } });
});

test("W11 ids beyond 2^53 keep every digit", async () => {
  const huge = JSON.stringify(push())
    .replace('"id":186853002', '"id":9007199254740993')
    .replace('"installation":{"id":1', '"installation":{"id":12345678901234567890');
  const { decision } = await read(Buffer.from(huge));
  expect(decision).toMatchObject({
    push: { repositoryId: "9007199254740993", installationId: "12345678901234567890" },
  });
});

test("W11 __proto__ and constructor are keys like any other", async () => {
  const text = JSON.stringify(push()).replace("{", '{"__proto__":{"deleted":true,"polluted":1},"constructor":1,');
  expect((await read(Buffer.from(text))).decision.kind).toBe("push");
  expect({}).not.toHaveProperty("polluted");
});

test("W11 of doubled keys the last counts, as for everybody who reads JSON", async () => {
  const text = JSON.stringify(push()).replace("{", '{"ref":"refs/heads/other",');
  expect((await read(Buffer.from(text))).decision).toMatchObject({ push: { branch: "master" } });
});

test.for([
  ["W11 JSON that is 100000 deep", Buffer.from(`{"a":${"[".repeat(100_000)}9007199254740993${"]".repeat(100_000)}}`)],
  ["W3 bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
  ["no JSON", Buffer.from("payload=%7B%7D")],
  ["nothing", Buffer.alloc(0)],
  ["an array", Buffer.from("[]")],
  ["null", Buffer.from("null")],
  ["W10 another event's payload", Buffer.from(JSON.stringify(examplesOf("issues")[0]))],
  ["a negative id", Buffer.from(JSON.stringify(push({ repository: { id: -1 } })))],
  ["a fractional id", Buffer.from(JSON.stringify(push({ repository: { id: 1.5 } })))],
  [
    "an id that is a long decimal fraction",
    Buffer.from(JSON.stringify(push({ repository: { id: 1 } })).replace('"id":1,', '"id":1.00000000000000001e300,')),
  ],
] as const)("%s is refused", async ([, body]) => {
  await expect(read(body)).rejects.toMatchObject({ code: "body_invalid" });
});

test("a fault of the payload names its fields", async () => {
  await expect(read(push({ repository: { private: "no" }, ref: 1 }))).rejects.toThrow(/repository\.private: .*; ref: /);
});

test.for([
  ["x-github-event", undefined],
  ["x-github-event", "push; drop table"],
  ["x-github-event", "x".repeat(65)],
  ["x-github-delivery", undefined],
  ["x-github-delivery", "short"],
  ["x-github-delivery", "../../../etc/passwd"],
  ["x-github-delivery", "a".repeat(65)],
] as const)("the header %s may not be %j", async ([name, value]) => {
  const { headers, body } = signDelivery(push(), { guid, secret });
  const changed = { ...headers, [name]: value };
  await expect(
    readDelivery({ headers: changed, body }, { secrets: [secret], policy: plainPolicy }),
  ).rejects.toMatchObject({
    code: "body_invalid",
    message: expect.stringContaining(name),
  });
});

test("of a header that was sent twice the first counts", async () => {
  const { headers, body } = signDelivery(push(), { guid, secret });
  const doubled = { ...headers, "x-github-event": ["push", "ping"] };
  expect((await readDelivery({ headers: doubled, body }, { secrets: [secret], policy: plainPolicy })).event).toBe(
    "push",
  );
});
