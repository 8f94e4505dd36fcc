import { expect, test } from "vitest";
import { cloneUrlOf, webUrlOf } from "../../src/github/clone-url.ts";

const push = (cloneUrl: string) => ({ owner: "octocat", repository: "fns", cloneUrl });
const cloud = "https://api.github.com";
const local = "http://127.0.0.1:4000/api/v3";

test.for([
  [cloud, "https://github.com/octocat/fns.git", "https://github.com/octocat/fns.git"],
  ["https://api.github.com/", "", "https://github.com/octocat/fns.git"],
  ["https://github.example.com/api/v3", "x", "https://github.example.com/octocat/fns.git"],
  ["https://github.example.com:8443/api/v3", "x", "https://github.example.com:8443/octocat/fns.git"],
  ["https://api.octocorp.ghe.com", "x", "https://octocorp.ghe.com/octocat/fns.git"],
  [local, "http://127.0.0.1:5000/git/fns.git", "http://127.0.0.1:5000/git/fns.git"],
  [local, "http://localhost:5000/fns.git", "http://localhost:5000/fns.git"],
  [local, "http://[::1]:5000/fns.git", "http://[::1]:5000/fns.git"],
] as const)("with the API at %s, %j is fetched from %s", ([apiUrl, cloneUrl, expected]) => {
  expect(cloneUrlOf(push(cloneUrl), { apiUrl, allowLoopback: true })).toBe(expected);
});

test.for([
  "http://169.254.169.254/latest/meta-data",
  "http://127.0.0.1:2375/containers/json",
  "http://[::ffff:169.254.169.254]/",
  "file:///etc/passwd",
  "ssh://git@github.com/octocat/fns.git",
  "ext::sh -c id",
  "https://github.com.attacker.example/octocat/fns.git",
  "https://user:password@github.com/octocat/fns.git",
  "https://github.com/octocat/other.git",
  "--upload-pack=id",
])("G9 the event's address %j is not asked", (cloneUrl) => {
  const expected = "https://github.com/octocat/fns.git";
  expect(cloneUrlOf(push(cloneUrl), { apiUrl: cloud, allowLoopback: true })).toBe(expected);
});

test.for([
  ["http://10.0.0.1/octocat/fns.git", true],
  ["http://127.0.0.1.attacker.example/x.git", true],
  ["http://127.0.0.1@attacker.example/x.git", true],
  ["http://user:password@127.0.0.1/x.git", true],
  ["file:///tmp/x.git", true],
  ["http://127.0.0.1:5000/git/fns.git", false],
] as const)("G9 in development too, %j is not asked (allowLoopback %s)", ([cloneUrl, allowLoopback]) => {
  const expected = "http://127.0.0.1:4000/octocat/fns.git";
  expect(cloneUrlOf(push(cloneUrl), { apiUrl: local, allowLoopback })).toBe(expected);
});

test.for([
  [{ owner: "..", repository: "fns" }, "name_invalid"],
  [{ owner: "octocat", repository: "../../x" }, "name_invalid"],
] as const)("G9 the names %j make no address", ([names, code]) => {
  const hostile = { ...names, cloneUrl: "" };
  expect(() => cloneUrlOf(hostile, { apiUrl: cloud, allowLoopback: false })).toThrow(expect.objectContaining({ code }));
});

test("an API address that is none is named", () => {
  expect(() => cloneUrlOf(push(""), { apiUrl: "api.github.com", allowLoopback: false })).toThrow(
    'github_api_url "api.github.com" is not an address',
  );
});

test.for([
  [cloud, "https://github.com"],
  ["https://github.example.com/api/v3", "https://github.example.com"],
] as const)("with the API at %s, GitHub's pages are at %s", ([apiUrl, expected]) => {
  expect(webUrlOf(apiUrl)).toBe(expected);
});
