import { expect, test } from "vitest";
import { parseAddress } from "../../src/git/git-address.ts";

test.for([
  ["https://github.com/o/r.git", "https://github.com/o/r.git", ""],
  ["https://github.com/o/r#v1.0", "https://github.com/o/r", "v1.0"],
  ["https://github.com/o/r#feature/%C3%BC", "https://github.com/o/r", "feature/ü"],
  ["https://host:8443/x", "https://host:8443/x", ""],
] as const)("%s is an address", ([text, url, fragment]) => {
  const parsed = parseAddress(text, ["https"]);
  expect([parsed.url.href, parsed.fragment]).toEqual([url, fragment]);
});

test.for([
  "",
  "x",
  "http://github.com/o/r",
  "file:///etc",
  "ext::sh -c id",
  "git@github.com:o/r.git",
  "ssh://git@github.com/o/r",
  "https://user@github.com/o/r",
  "https://:password@github.com/o/r",
  "https://github.com",
  "--upload-pack=id",
  "https://github.com/o/r#%ff",
])("G2 %j is no address", (text) => {
  const error = { code: "name_invalid", message: expect.not.stringMatching(/user@|password/) };
  expect(() => parseAddress(text, ["https"])).toThrow(expect.objectContaining(error));
});
