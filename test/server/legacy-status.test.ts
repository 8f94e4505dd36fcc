import { expect, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { createFairQueue } from "../../src/pipeline/fair-queue.ts";
import { archive, type Member } from "../contexts/archives.ts";
import { post, serveBuilds, sign } from "./build-requests.ts";

/*
 * What OpenFaaS Cloud's of-builder answered, for clients that look at more than whether it was 200: JSON from 0.5 on,
 * text until 0.4.
 */
const config: Member = { name: "config", body: '{"Ref":"r/Fn:1"}\n' };
const dockerfile: Member = { name: "context/Dockerfile", body: "FROM busybox" };
const body = archive(config, dockerfile);
const secret = async () => "s3cret";
const signed = (bytes: Buffer) => ({ "x-cloud-signature": sign(bytes, "s3cret", "sha1") });
const noConfig = archive(dockerfile);
const noRef = archive({ ...config, body: "{}" }, dockerfile);
const socket = archive(config, dockerfile, { name: "context/x", type: "s" });

test.for<[string, Buffer, Record<string, string>, string]>([
  ["no signature", body, {}, "invalid encodedHash, should have at least 5 characters"],
  ["an empty one", body, { "x-cloud-signature": "" }, "invalid encodedHash, should have at least 5 characters"],
  [
    "one of five characters",
    body,
    { "x-cloud-signature": "sha1=" },
    "invalid encodedHash, should have at least 5 characters",
  ],
  [
    "one of a new client of five",
    body,
    { "x-build-signature": "sha25" },
    "invalid encodedHash, should have at least 5 characters",
  ],
  ["one of six that is none", body, { "x-cloud-signature": "sha1=0" }, "invalid message digest or secret"],
  [
    "one of a new client of another hash",
    body,
    { "x-build-signature": "sha512=00" },
    "unexpected hashing method: sha51",
  ],
  ["an unknown hash", body, { "x-cloud-signature": "sha256=00" }, "unexpected hashing method: sha25"],
  ["a wrong one", body, signed(Buffer.from("other")), "invalid message digest or secret"],
  ["no archive", Buffer.from("x"), signed(Buffer.from("x")), "unexpected EOF"],
  ["half an archive", body.subarray(0, 700), signed(body.subarray(0, 700)), "unexpected EOF"],
  ["a wrong header", Buffer.alloc(1024, "x"), signed(Buffer.alloc(1024, "x")), "archive/tar: invalid tar header"],
  ["a member of no kind", socket, signed(socket), "unhandled tar header type 115"],
  ["no image", noRef, signed(noRef), "no target reference to push"],
  ["no config", noConfig, signed(noConfig), "open com.openfaas.docker.config: no such file or directory"],
  ["an empty body", Buffer.of(), signed(Buffer.of()), "open com.openfaas.docker.config: no such file or directory"],
])("a refused request is 500 in the old words, as JSON and as text: %s", async ([, bytes, headers, words]) => {
  for (const legacyStatus of ["json", "text"] as const) {
    await using server = await serveBuilds({ secret, allowSha1: true, legacyStatus });
    const answer = await post(server, bytes, headers);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([500, "text/plain; charset=utf-8"]);
    if (legacyStatus === "text") expect(answer.text).toBe(words.replace("com.openfaas.docker.config", "config"));
    else expect(answer.json).toMatchObject({ log: null, imageName: "", status: `unexpected failure: ${words}` });
  }
});

test("a secret that is there and empty is told as one that could not be had", async () => {
  await using server = await serveBuilds({ secret: async () => "", allowSha1: true, legacyStatus: "json" });
  const { status, json } = await post(server, body, signed(body));
  const words = "unexpected failure: couldn't get payload-secret: a payload secret is empty";
  expect([status, json]).toMatchObject([500, { log: null, status: words }]);
});

test("a server that is full says so in the words of its successor", async () => {
  const words = "Concurrent request limit exceeded.";
  const queue = createFairQueue({ maxRunning: 1, maxWaiting: 0 });
  using _place = await queue.enter({ key: "another", signal: new AbortController().signal });
  await using newer = await serveBuilds({ legacyStatus: "json", queue });
  const told = await post(newer, body);
  expect([told.status, told.json]).toMatchObject([500, { log: null, status: `unexpected failure: ${words}` }]);
  await using older = await serveBuilds({ legacyStatus: "text", queue });
  expect((await post(older, body)).text).toBe(words);
});

test("a build that succeeded is 200: JSON, or the image's name as it was given and nothing else", async () => {
  await using newer = await serveBuilds({ legacyStatus: "json" });
  expect((await post(newer, body)).json).toMatchObject({ log: [], imageName: "r/Fn:1", status: "success" });
  await using older = await serveBuilds({ legacyStatus: "text" });
  const answer = await post(older, body);
  expect([answer.status, answer.text]).toEqual([200, "r/Fn:1"]);
});

test.for<[Error, string]>([
  [new BuilderError("build_failed", "RUN x: exit code 1"), "failed to solve: RUN x: exit code 1"],
  [new Error("inner words"), "failed to solve: of-builder failed: see its log"],
])("a build that failed is told as BuildKit's failure: %s", async ([error, words]) => {
  const build = () => Promise.reject(error);
  await using newer = await serveBuilds({ legacyStatus: "json", build });
  const told = await post(newer, body);
  expect([told.status, told.json]).toMatchObject([500, { log: [], imageName: "r/Fn:1", status: `failure: ${words}` }]);
  await using older = await serveBuilds({ legacyStatus: "text", build });
  const answer = await post(older, body);
  expect([answer.status, answer.text]).toEqual([500, words]);
});

test("a BuildKit that does not answer is told in the words of its old client", async () => {
  const words = 'failed to dial "tcp://of-buildkit:1234" . make sure buildkitd is running: context deadline exceeded';
  const fault = new BuilderError(
    "buildkit_unreachable",
    'BuildKit at "tcp://of-buildkit:1234" does not answer: refused',
  );
  const build = () => Promise.reject(fault);
  await using newer = await serveBuilds({ legacyStatus: "json", build });
  expect((await post(newer, body)).json).toMatchObject({
    log: null,
    imageName: "",
    status: `unexpected failure: ${words}`,
  });
  await using older = await serveBuilds({ legacyStatus: "text", build });
  expect((await post(older, body)).text).toBe(words);
});

test("whoever asks for a stream is newer, and is answered as always", async () => {
  await using server = await serveBuilds({ legacyStatus: "text" });
  const answer = await post(server, body, { accept: "application/x-ndjson" });
  expect(answer.text).toMatch(/"status":"success"/);
  const refused = await post(server, Buffer.from("x"), { accept: "application/x-ndjson" });
  expect([refused.status, refused.headers.get("content-type")]).toEqual([400, "application/json; charset=utf-8"]);
});
