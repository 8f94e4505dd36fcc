import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { cleanText, translateGitError } from "../../src/git/git-error.ts";

const about = { what: "x of y", token: undefined, goneCode: "commit_gone" } as const;

test.for([
  ["fatal: remote error: upload-pack: not our ref 1111", "commit_gone"],
  ["fatal: couldn't find remote ref nope", "commit_gone"],
  ["error: Server does not allow request for unadvertised object 1111", "commit_gone"],
  ["Error: spawn git ENOENT", "tool_missing"],
  ["fatal: unable to access 'https://host/': Could not resolve host: host", "checkout_failed"],
] as const)("%j is %s", ([text, code]) => {
  expect(translateGitError(new Error(text), about)).toMatchObject({ code });
});

test("an error of ours stays what it is", () => {
  const ours = new BuilderError("context_invalid", "too large");
  expect(translateGitError(ours, about)).toBe(ours);
});

test.for([
  ["G7 CVE-2024-52005 escape sequences", "a\u001b[31mred\u001b[0m\u001b]0;title\u0007b", "aredb"],
  ["control characters", "a\u0000b\u009bc", "ab"],
  ["several lines", "remote: one\r\nremote: two\n", "remote: one remote: two"],
  ["credentials in an address", "at 'https://user:pass@host/x'", "at 'https://***@host/x'"],
  ["K2 a token", "ghs_token and again ghs_token", "*** and again ***"],
  ["K2 a token in its header", "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX3Rva2Vu", "Basic ***"],
] as const)("%s: a text comes out clean", ([, text, expected]) => {
  expect(cleanText(text, "ghs_token")).toBe(expected);
});

test("a text of any length comes out short", () => {
  expect(cleanText("x".repeat(100_000), undefined)).toHaveLength(500);
});
