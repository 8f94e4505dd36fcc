import { pino } from "pino";
import { expect, test } from "vitest";
import { createPushHands } from "../../src/compose/push-hands.ts";
import type { PushTarget } from "../../src/compose/push-target.ts";
import { readConfig } from "../../src/config.ts";

/** How an installation asks for the digest of an image that a pushed Dockerfile names. */
async function askingFor(image: string): Promise<"not at all" | "public" | "anywhere"> {
  let asked: "not at all" | "public" | "anywhere" = "not at all";
  const target: Pick<PushTarget, "baseDigest" | "copyImage" | "readDigest"> = {
    baseDigest: async (_image, { reach }) => {
      asked = reach ?? "anywhere";
      return undefined;
    },
    copyImage: async () => true,
    readDigest: async () => undefined,
  };
  const credentials = async (host: string) =>
    host === "10.0.0.9:5000" ? { username: "us", password: "secret" } : undefined;
  const parties = { git: {}, github: {}, reporter: {}, buildImage: {}, database: {}, logs: {}, target, credentials };
  const config = readConfig({ push_repository_url: "registry.example.internal:5000/team" });
  const { memory } = createPushHands(config, { ...parties, log: pino({ level: "silent" }) } as never);
  await memory?.baseDigest(image, { signal: new AbortController().signal });
  return asked;
}

test.for([
  ...[
    "127.0.0.1:5000/x",
    "127.0.0.1/x",
    "localhost/x",
    "localhost:80/x",
    "169.254.169.254/latest/meta-data",
    "10.0.0.1/x",
  ],
  ...["registry:5000/x", "db.internal/x", "printer.local/x", "kubernetes.default.svc.cluster.local/x", "x.localhost/x"],
  ...["example.com:22/x", "0x7f.1/x", "2130706433.0/x", "[::1]:5000/x", "[::ffff:127.0.0.1]:80/x", "127.1/x"],
])("S8 FROM %s has this server ask nobody", async (image) => {
  expect(await askingFor(image)).toBe("not at all");
});

test.for(["busybox", "library/busybox:1", "ghcr.io/owner/x", "127.0.0.1.nip.io/x", "registry.example.com/x"])(
  "S8 FROM %s is asked for at addresses of the public network only",
  async (image) => {
    expect(await askingFor(image)).toBe("public");
  },
);

test.for(["registry.example.internal:5000/other/x", "10.0.0.9:5000/x"])(
  "FROM %s is allowed by the installation: it pushes there, or has credentials",
  async (image) => {
    expect(await askingFor(image)).toBe("anywhere");
  },
);
