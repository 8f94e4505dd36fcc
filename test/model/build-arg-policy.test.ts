import { expect, test } from "vitest";
import { isReservedBuildArg, strangePackage } from "../../src/model/build-arg-policy.ts";

test.for([
  ...["BUILDKIT_SYNTAX", "buildkit_syntax", "BUILDKIT_CONTEXT_KEEP_GIT_DIR", "BUILDKIT_INLINE_CACHE"],
  ...["SOURCE_DATE_EPOCH", "HTTP_PROXY", "https_proxy", "NO_PROXY", "ftp_proxy", "ALL_PROXY"],
])("S10 a pushed stack may not set %s", (name) => {
  expect(isReservedBuildArg(name)).toBe(true);
});

test.for(["GO111MODULE", "VERSION", "PROXY", "MY_HTTP_PROXY", "BUILDKIT", "ADDITIONAL_PACKAGE"])(
  "S10 a pushed stack may set %s",
  (name) => {
    expect(isReservedBuildArg(name)).toBe(false);
  },
);

test.for(["; rm -rf /", "$(id)", "`id`", "--repository=http://x", "-X", "a|b", "a>b", "a*", "a\nb", "'a'"])(
  "S11 %j names no package",
  (packages) => {
    expect(strangePackage(`make ${packages}`)).toBeDefined();
  },
);

test("S11 names of packages with versions and architectures pass", () => {
  expect(strangePackage("make g++ libc6-dev=2.36-9 python3.11 gcc:arm64 curl@edge foo~1.2 ")).toBeUndefined();
});
