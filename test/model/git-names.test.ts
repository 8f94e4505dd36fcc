import { expect, test } from "vitest";
import { checkName, faultOfName, isZeroSha } from "../../src/model/git-names.ts";

const refusal = (name: string) =>
  expect.objectContaining({ code: "name_invalid", message: expect.stringContaining(name) });

/** What no name of any kind may be. */
const attacks = [
  ["empty", ""],
  ["an option", "-x"],
  ["a long option", "--upload-pack=touch /tmp/pwned"],
  ["the parent folder", ".."],
  ["a way up", "../../etc"],
  ["a way up inside", "a/../../b"],
  ["NUL", "a\0b"],
  ["a newline", "a\nb"],
  ["a carriage return (CVE-2025-48384)", "a\r"],
  ["an ANSI escape", "a\u001b[31mb"],
  ["DEL", "a\u007fb"],
  ["a C1 control character", "a\u009bb"],
  ["a space", "a b"],
  ["a colon", "a:b"],
  ["a remote helper", "ext::sh -c id"],
  ["a backslash", "a\\b"],
  ["half a surrogate pair", "a\ud800"],
  ["too long", "a".repeat(300)],
] as const;

for (const kind of ["owner", "repository", "branch", "commit"] as const) {
  test.for(attacks)(`G1 ${kind} refuses %s`, ([, value]) => {
    expect(() => checkName(kind, value)).toThrow(refusal(kind));
    expect(faultOfName(kind, value)).toMatchObject({ code: "name_invalid" });
  });
}

test.for(["a/b", ".", "a.b", "a@b", "emoji-🚀", "[bot]", "_x"])("an owner cannot be %j", (name) => {
  expect(() => checkName("owner", name)).toThrow(refusal("owner"));
});

test.for(["octocat", "Codertocat", "a", "0x", "a--b", "short_code", "trailing-"])("an owner can be %j", (name) => {
  expect(checkName("owner", name)).toBe(name);
});

test.for(["a/b", ".", "x.git", "X.GIT", "%2e%2e", "a?b", "a#b", "emoji-🚀"])("a repository cannot be %j", (name) => {
  expect(() => checkName("repository", name)).toThrow(refusal("repository"));
});

test.for([".github", "Hello-World", "a.b_c-d", "_", "..."])("a repository can be %j", (name) => {
  expect(checkName("repository", name)).toBe(name);
});

test.for([
  "@",
  "a..b",
  "a@{1}",
  "/a",
  "a/",
  "a//b",
  ".a",
  "a/.b",
  "a.lock",
  "a.lock/b",
  "a.",
  "a~1",
  "a^",
  "a?",
  "a*",
  "a[b",
  "-",
])("W13 a branch cannot be %j", (name) => {
  expect(() => checkName("branch", name)).toThrow(refusal("branch"));
});

test.for(["master", "feature/a-b", "v1.2", "emoji-🚀", "ü", "a@b", "a{b", "a/-b", "a]"])(
  "W13 a branch can be %j",
  (name) => {
    expect(checkName("branch", name)).toBe(name);
  },
);

test("a commit is known by 40 or 64 lower-case hex digits", () => {
  expect(checkName("commit", "6113728f27ae82c7b1a177c8d03f9e96e0adf246")).toBe(
    "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
  );
  expect(checkName("commit", "ab".repeat(32))).toBe("ab".repeat(32));
});

test.for([
  "0".repeat(40),
  "0".repeat(64),
  "A".repeat(40),
  "a".repeat(39),
  "a".repeat(41),
  "HEAD",
  `${"a".repeat(40)}\n`,
])("a commit is not known by %j", (sha) => {
  expect(() => checkName("commit", sha)).toThrow(refusal("commit"));
});

test("zeros stand for no commit", () => {
  expect([isZeroSha("0".repeat(40)), isZeroSha("01"), isZeroSha("")]).toEqual([true, false, false]);
});
