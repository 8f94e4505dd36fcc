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

test("all faults are told at once, and the settings are frozen", () => {
  expect(() => readConfig({ PORT: "99999", insecure: "maybe", buildkit_url: "ftp://x" })).toThrow(
    'PORT="99999": expected a port from 0 to 65535; buildkit_url="ftp://x": expected an address that begins with tcp:// or unix://; insecure="maybe": expected true or false',
  );
  expect(Object.isFrozen(readConfig({}))).toBe(true);
});
