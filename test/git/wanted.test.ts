import { expect, test } from "vitest";
import { parseWanted, wantedCommit } from "../../src/git/wanted.ts";

const commit = "a".repeat(40);

test.for([
  ["", ["HEAD"], undefined, undefined],
  ["main", ["refs/heads/main", "refs/tags/main"], undefined, undefined],
  ["feature/x", ["refs/heads/feature/x", "refs/tags/feature/x"], undefined, undefined],
  ["sha-abc", ["refs/heads/sha-abc", "refs/tags/sha-abc"], undefined, undefined],
  [commit, [commit], commit, undefined],
  [`sha-${"b".repeat(64)}`, ["b".repeat(64)], "b".repeat(64), undefined],
  ["sha-0123456", [], undefined, "0123456"],
  ["sha-ABCDEF0", [], undefined, "abcdef0"],
  [`sha-${"Ab".repeat(20)}`, ["ab".repeat(20)], "ab".repeat(20), undefined],
  ["sha-abcdefg", ["refs/heads/sha-abcdefg", "refs/tags/sha-abcdefg"], undefined, undefined],
  [
    `sha-${"b".repeat(41)}`,
    [`refs/heads/sha-${"b".repeat(41)}`, `refs/tags/sha-${"b".repeat(41)}`],
    undefined,
    undefined,
  ],
] as const)("the ref %j asks for %j", ([ref, refs, wanted, abbreviation]) => {
  expect(parseWanted(ref)).toMatchObject({
    refs,
    ...(wanted && { commit: wanted }),
    ...(abbreviation && { abbreviation }),
  });
});

test.for(["refs/pull/1/head", "pull/1/head", "refs/heads/main"])(
  "S8 the ref %j means a branch or tag of that name, not what a stranger proposed",
  (ref) => {
    expect(parseWanted(ref).refs).toEqual([`refs/heads/${ref}`, `refs/tags/${ref}`]);
  },
);

test.for(["--upload-pack=id", "a..b", "a b", "0".repeat(40), "+refs/heads/*:refs/heads/*"])(
  "G1 the ref %j is refused",
  (ref) => {
    expect(() => parseWanted(ref)).toThrow(expect.objectContaining({ code: "name_invalid" }));
  },
);

test.for(["HEAD", "main", "abc", "A".repeat(40), "--upload-pack=id"])("G1 %j is no commit", (sha) => {
  expect(() => wantedCommit(sha)).toThrow(expect.objectContaining({ code: "name_invalid" }));
});
