import { expect, test } from "vitest";
import { readConfig } from "../src/config.ts";

test("nothing given means the original's defaults", () => {
  expect(readConfig({})).toMatchObject({
    port: 8080,
    buildkitUrl: undefined,
    secretFolder: "/var/openfaas/secrets",
    githubApiUrl: "https://api.github.com",
    dockerfileLang: true,
    customTemplates: [],
    databaseUrl: undefined,
    insecure: undefined,
  });
});

test("an empty value counts as not given, and the first name wins", () => {
  const config = readConfig({ PORT: "", buildkit_url: "tcp://a:1", BUILDKIT_HOST: "tcp://b:2" });
  expect(config).toMatchObject({ port: 8080, buildkitUrl: "tcp://a:1" });
});

test("custom_templates is a list", () => {
  expect(readConfig({ custom_templates: " https://a/x.git , https://b/y.git#v1," }).customTemplates).toEqual([
    "https://a/x.git",
    "https://b/y.git#v1",
  ]);
});

test("S6 a pushed stack sees the variables that stack_variables names, with the server's values or its own", () => {
  const given = {
    stack_variables: "REGISTRY, TIER=gold,EMPTY=,URL=http://x?a=b, GONE",
    REGISTRY: "r:5000",
    SECRET: "s",
  };
  expect(readConfig(given).stackVariables).toEqual({
    ...{ REGISTRY: "r:5000", TIER: "gold", EMPTY: "", URL: "http://x?a=b", GONE: "" },
  });
  expect(readConfig({ SECRET: "s" }).stackVariables).toEqual({});
  expect(() => readConfig({ stack_variables: "A B" })).toThrow('expected NAME or NAME=VALUE, found "A B"');
});

test("buildkit_url is a list, and as many builds run on each as at all, unless that is set", () => {
  const given = { buildkit_url: "tcp://a:1, docker:///run/docker.sock,", max_inflight: "9" };
  expect(readConfig(given)).toMatchObject({ buildkitUrl: "tcp://a:1,docker:///run/docker.sock", buildkitSlots: 9 });
  expect(readConfig({ ...given, buildkit_slots: "2" }).buildkitSlots).toBe(2);
  const limitless = { ...given, max_inflight: "0" };
  expect(readConfig(limitless)).toMatchObject({ maxInflight: 0, buildkitSlots: Number.POSITIVE_INFINITY });
});

test.for([
  [{ buildkit_url: "tcp://a:1,ftp://b" }, 'buildkit_url="tcp://a:1,ftp://b"'],
  [{ buildkit_slots: "-1" }, "a whole number"],
  [{ pull_credentials: "registry.example" }, '"registry.example" is no pattern'],
  [{ pull_credentials: "*,a/*/b" }, '"a/*/b" is no pattern'],
] as const)("a value of the wrong shape is named: %j", ([given, message]) => {
  expect(() => readConfig(given)).toThrow(message);
});

test("all faults are told at once, and the settings are frozen", () => {
  expect(() => readConfig({ PORT: "99999", insecure: "maybe", buildkit_url: "ftp://x" })).toThrow(
    'PORT="99999": expected a port from 0 to 65535; buildkit_url="ftp://x": expected an address that begins with tcp:// or unix:// or docker://; insecure="maybe": expected true or false',
  );
  expect(Object.isFrozen(readConfig({}))).toBe(true);
});
