import { promisify } from "node:util";
import { expect, test } from "vitest";
import { readDigest } from "../../src/registry/manifest.ts";
import { isPublicAddress, lookupPublic } from "../../src/registry/public-lookup.ts";
import { startHttpServer } from "./http-server.ts";

test.for([
  ...["127.0.0.1", "127.9.9.9", "10.1.2.3", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  ...["100.64.0.1", "0.0.0.0", "198.19.0.1", "224.0.0.1", "255.255.255.255"],
  ...["::1", "::", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1"],
  ...["2002:7f00:1::", "64:ff9b::7f00:1"],
])("S8 %s is an address of this network", (address) => {
  expect(isPublicAddress(address, address.includes(":") ? 6 : 4)).toBe(false);
});

test.for(["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.0.2.1", "2606:4700::1", "2001:4860:4860::8888"])(
  "%s is an address of the public network",
  (address) => {
    expect(isPublicAddress(address, address.includes(":") ? 6 : 4)).toBe(true);
  },
);

test("S8 a name that leads to this machine has no address", async () => {
  const find = promisify(lookupPublic as (host: string, options: object, done: (error: Error | null) => void) => void);
  await expect(find("localhost", {})).rejects.toThrow("localhost lies in an internal network");
});

test("S8 a registry that a stranger named is not asked where its name leads to this machine", async () => {
  let asked = 0;
  await using server = await startHttpServer((_, response) => {
    asked += 1;
    response.writeHead(200, { "docker-content-digest": `sha256:${"0".repeat(64)}` }).end();
  });
  const image = `${server.host.replace("127.0.0.1", "localhost")}/x:1`;
  const access = { insecure: true, credentials: async () => undefined, signal: AbortSignal.timeout(60_000) };
  expect(await readDigest(image, access)).toMatch(/^sha256:/);
  expect(await readDigest(image, access)).toMatch(/^sha256:/);
  const before = asked;
  const refused = readDigest(image, { ...access, redirect: "error", reach: "public" });
  await expect(refused).rejects.toThrow(expect.objectContaining({ code: "registry_unreachable" }));
  expect(asked).toBe(before);
});
