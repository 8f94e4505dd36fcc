import { createHmac } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { archive } from "../contexts/archives.ts";
import { createInstallation, type Installation } from "./serving.ts";

/* The settings of POST /build, each held to what a server does that has it, and one that has not. */
const secret = "a payload secret";
let installation: Installation;

beforeAll(async () => {
  installation = await createInstallation();
  await writeFile(join(installation.folder, "secrets", "payload-secret"), secret);
});
afterAll(() => installation[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

type Headers = Readonly<Record<string, string>>;

/** Serves with these settings, and posts one request after the other. */
async function answersOf(
  settings: Readonly<Record<string, string>>,
  requests: readonly (readonly [dockerfile: string, headers: (body: Buffer) => Headers])[],
): Promise<readonly Answer[]> {
  Object.assign(installation.settings, settings);
  const serving = await installation.start();
  try {
    const answers: Answer[] = [];
    for (const [dockerfile, headers] of requests) {
      const body = bodyOf(dockerfile);
      const init = { method: "POST", body: new Uint8Array(body), headers: headers(body) };
      const answer = await fetch(`${serving.address}/build`, init);
      const type = answer.headers.get("content-type") ?? "";
      answers.push({ status: answer.status, type, text: await answer.text() });
    }
    return answers;
  } finally {
    await serving.end("SIGKILL");
    for (const name of Object.keys(settings)) delete installation.settings[name];
  }
}

function bodyOf(dockerfile: string): Buffer {
  return archive(
    { name: "context/Dockerfile", body: dockerfile },
    {
      name: "com.openfaas.docker.config",
      body: '{"image":"x/Settings:1","skipPush":true,"buildArgs":{"GIVEN":"own"}}',
    },
  );
}

const good = "FROM busybox\n";
const unsigned = () => ({});
const hmac = (algorithm: string, body: Buffer, before = "") =>
  `${algorithm}=${createHmac(algorithm, secret).update(before).update(body).digest("hex")}`;
const signed = (body: Buffer) => ({ "x-build-signature": hmac("sha256", body) });
const signedOld = (body: Buffer) => ({ "x-cloud-signature": hmac("sha1", body) });
const stamp = String(Math.floor(Date.now() / 1000));
const stamped = (body: Buffer) => ({
  "x-build-timestamp": stamp,
  "x-build-signature": hmac("sha256", body, `${stamp}.`),
});

test.for<[string, Headers, readonly ((body: Buffer) => Headers)[], readonly number[]]>([
  ["nothing set", {}, [unsigned, signedOld, signed, signed, stamped, stamped], [401, 401, 200, 200, 200, 401]],
  ["allow_sha1", { allow_sha1: "true" }, [unsigned, signedOld, signed], [401, 200, 200]],
  ["disable_hmac", { disable_hmac: "true" }, [unsigned, unsigned], [200, 200]],
  ["replay_protection=digest", { replay_protection: "digest" }, [signed, signed, stamped], [200, 401, 200]],
  ["replay_protection=timestamp", { replay_protection: "timestamp" }, [signed, stamped, stamped], [401, 200, 401]],
])("T26 who is let in with %s", async ([, settings, headers, statuses]) => {
  const answers = await answersOf(
    settings,
    headers.map((one) => [good, one] as const),
  );
  expect(answers.map(({ status }) => status)).toEqual(statuses);
});

test("each line of each payload-secret is a key, and an empty one lets nobody in", async () => {
  const file = (name: string) => join(installation.folder, "secrets", name);
  const signedWith = (key: string) => (body: Buffer) => ({
    "x-build-signature": `sha256=${createHmac("sha256", key).update(body).digest("hex")}`,
  });
  await writeFile(file("payload-secret"), "new one\r\n  old one\r\n");
  await writeFile(file("payload-secret-bob"), "bob's\n");
  try {
    const keys = ["new one", "old one", "bob's", "new one\r", "", "other"];
    const answers = await answersOf(
      {},
      keys.map((key) => [good, signedWith(key)] as const),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 401, 401, 401]);
    await writeFile(file("payload-secret-bob"), "\n");
    expect(await answersOf({}, [[good, signedWith("")]])).toMatchObject([{ status: 500 }]);
  } finally {
    await rm(file("payload-secret-bob"));
    await writeFile(file("payload-secret"), secret);
  }
});

test.for<[string, readonly Partial<Answer>[]]>([
  [
    "true",
    [
      { status: 500, text: expect.stringContaining('"status":"unexpected failure: invalid encodedHash') },
      { status: 500, text: expect.stringMatching(/"status":"failure: failed to solve: .*exit code 3/) },
      { status: 200, text: expect.stringMatching(/"imageName":"x\/Settings:1".*"status":"success"/) },
    ],
  ],
  [
    "text",
    [
      { status: 500, text: "invalid encodedHash, should have at least 5 characters" },
      { status: 500, text: expect.stringMatching(/^failed to solve: .*exit code 3/) },
      { status: 200, text: "x/Settings:1" },
    ],
  ],
])("legacy_status=%s answers as of-builder did", async ([form, expected]) => {
  const requests = [
    [good, unsigned],
    ["FROM busybox\nRUN exit 3\n", signed],
    [good, signed],
  ] as const;
  const answers = await answersOf({ legacy_status: form }, requests);
  expect(answers).toMatchObject(expected.map((answer) => ({ ...answer, type: "text/plain; charset=utf-8" })));
});

test("the server's proxies are build arguments of every build, empty ones too; a request's own come before them", async () => {
  const step = (name: string, check: string) => `ARG ${name}=unset\nRUN ${check}\n`;
  const dockerfile = [
    good,
    step("http_proxy", 'test "$http_proxy" = http://proxy.example:3128'),
    step("no_proxy", 'test -z "$no_proxy"'),
    step("https_proxy", 'test "$https_proxy" = unset'),
    step("GIVEN", 'test "$GIVEN" = own'),
  ].join("");
  const settings = { http_proxy: "http://proxy.example:3128", no_proxy: "", GIVEN: "the server's" };
  const [answer] = await answersOf(settings, [[dockerfile, signed]]);
  expect(JSON.parse(answer?.text ?? "")).toMatchObject({ status: "success", error: "" });
});

test("a server starts with nothing set, and names the daemon that it misses", async () => {
  await using bare = await createInstallation();
  const own = ["PORT", "listen_host", "DATABASE_URL", "data_path"];
  for (const name of Object.keys(bare.settings)) if (!own.includes(name)) delete bare.settings[name];
  const { address } = await bare.start();
  const answer = await fetch(`${address}/build`, { method: "POST", body: new Uint8Array(bodyOf(good)) });
  expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining("tcp://of-buildkit:1234")]);
});
