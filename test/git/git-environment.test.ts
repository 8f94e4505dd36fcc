import { expect, test } from "vitest";
import { gitEnvironment } from "../../src/git/git-environment.ts";

const inherited = {
  PATH: "/opt/bin",
  HTTPS_PROXY: "http://proxy:3128",
  SSL_CERT_FILE: "/etc/ca.pem",
  HOME: "/root",
  GIT_SSH_COMMAND: "id",
  GIT_CONFIG_PARAMETERS: "'alias.x=!id'",
  LD_PRELOAD: "/tmp/evil.so",
  GITHUB_TOKEN: "x",
  no_proxy: undefined,
};

test("G10 of the process's environment only the way to programs, proxies and certificates is taken over", () => {
  const environment = gitEnvironment({ home: "/empty", protocols: ["https"], inherited });
  expect(environment).toMatchObject({
    PATH: "/opt/bin",
    HTTPS_PROXY: "http://proxy:3128",
    SSL_CERT_FILE: "/etc/ca.pem",
    HOME: "/empty",
    XDG_CONFIG_HOME: "/empty",
    GIT_ALLOW_PROTOCOL: "https",
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
  });
  const strangers = Object.keys(environment).filter((name) => /SSH|PARAMETERS|LD_|TOKEN|no_proxy/.test(name));
  expect(strangers).toEqual([]);
});

test("every setting that is counted is there", () => {
  const environment = gitEnvironment({
    home: "/empty",
    protocols: ["https", "http"],
    inherited: {},
    credentials: { origin: "https://github.com", token: "t" },
  });
  const count = Number(environment.GIT_CONFIG_COUNT);
  const settings = Array.from({ length: count }, (_, index) => [
    environment[`GIT_CONFIG_KEY_${index}`],
    environment[`GIT_CONFIG_VALUE_${index}`],
  ]);
  expect(settings).toContainEqual([
    "http.https://github.com/.extraHeader",
    "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dA==",
  ]);
  expect(settings).toContainEqual(["core.hooksPath", "/dev/null"]);
  expect(settings).toContainEqual(["transfer.bundleURI", "false"]);
  expect(settings.flat().every((text) => text !== undefined)).toBe(true);
});
