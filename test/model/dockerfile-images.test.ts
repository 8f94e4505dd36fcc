import { expect, test } from "vitest";
import { imagesOfDockerfile } from "../../src/model/dockerfile-images.ts";

test.for<[string, readonly string[]]>([
  ["FROM busybox", ["busybox"]],
  ["from busybox:1 as base\nFROM base\nFROM Base AS two", ["busybox:1"]],
  ["FROM scratch\nCOPY . /", []],
  [
    "FROM --platform=$BUILDPLATFORM golang:1.26 AS build\nFROM alpine\nCOPY --from=build /x /x",
    ["golang:1.26", "alpine"],
  ],
  [
    "FROM a AS build\nFROM b\nCOPY --from=0 /x /\nCOPY --chown=1 --from=registry:5000/tool:1 /t /",
    ["a", "b", "registry:5000/tool:1"],
  ],
  ["FROM a\nRUN --mount=type=bind,from=tools:2,target=/t --mount=type=cache,target=/c make", ["a", "tools:2"]],
  ["ARG VERSION=1.2\nFROM node:${VERSION}-alpine", ["node:1.2-alpine"]],
  ['ARG BASE="node" TAG=20\nFROM $BASE:$TAG', ["node:20"]],
  ["FROM node:${TAG:-22}", ["node:22"]],
  ["FROM busybox\n# FROM comment\nRUN echo \\\n# FROM comment within\n  FROM words", ["busybox"]],
  ["FROM \\\n  busybox", ["busybox"]],
  ["# syntax=docker/dockerfile:1\nFROM a", ["docker/dockerfile:1", "a"]],
  [`FROM a@sha256:${"0".repeat(64)}`, [`a@sha256:${"0".repeat(64)}`]],
  ["FROM a\nADD file.tar /x", ["a"]],
  ["FROM a\r\nCOPY . /\r\n", ["a"]],
  ["FROM a\nRUN --mount=type=bind,FROM=tool:1,target=/t make", ["a", "tool:1"]],
  ["FROM a\nRUN --mount='from=tool:1,target=/t' make", ["a", "tool:1"]],
  ['FROM a\nRUN --mount="from=tool:1,target=/t" make', ["a", "tool:1"]],
  ['FROM a\nRUN --network=none --mo"unt=fr"om=t\\ool:1 make', ["a", "tool:1"]],
  ["FROM a\nRUN --mount=type=bind,\\\nfrom=tool:1 make", ["a", "tool:1"]],
  ["FROM a\nRUN --mount=type=bind,\\\n\n# why\nfrom=tool:1 make", ["a", "tool:1"]],
  ["FROM a\nRUN --mount=target=/t -- --mount=from=words make", ["a"]],
  ["FROM a\nRUN echo --mount=from=words", ["a"]],
  ["FROM a\nRUN --mount=from=0,target=/t make", ["a", "0"]],
  ["FROM a\nFROM 0", ["a", "0"]],
  ['FROM a\ncopy --from="tool:1" /t /', ["a", "tool:1"]],
  ["FROM a\nCOPY --chown=1 --fr\\om='tool:1' /t /", ["a", "tool:1"]],
  ["FROM a\nRUN echo \\\\\nFROM b", ["a", "b"]],
  ["FROM a\nRUN <<END\nFROM words AS b\nEND\nFROM b", ["a", "b"]],
  ["FROM a\nRUN cat <<-'END' > /x\nFROM words \\\n\tEND\nFROM b", ["a", "b"]],
  ["FROM a\nCOPY <<one <<two /x/\nFROM words\none\nFROM two\ntwo\nFROM b", ["a", "b"]],
  ["FROM a\nRUN cat <<< words\nRUN echo $((1<<2))\nFROM b", ["a", "b"]],
  ["FROM a\nADD package@1.2.tgz other@x /x/", ["a"]],
  ['FROM a\nADD --chown=1:1 ["a b@c", "/x"]', ["a"]],
  ["FROM a\nADD --checksum=sha256:00 file.tar /x", ["a"]],
])("%j names its images", ([text, images]) => {
  expect(imagesOfDockerfile(text, {})).toEqual(images);
});

test("build arguments win over defaults", () => {
  expect(imagesOfDockerfile("ARG BASE=node\nFROM $BASE", { BASE: "deno" })).toEqual(["deno"]);
  expect(imagesOfDockerfile("FROM a", { BUILDKIT_SYNTAX: "docker/dockerfile:1.9" })).toEqual([
    "docker/dockerfile:1.9",
    "a",
  ]);
});

test.for([
  "",
  "RUN make",
  "FROM $UNKNOWN",
  "ARG BASE\nFROM $BASE",
  "ARG TARGETARCH=amd64\nFROM base-$TARGETARCH",
  "FROM base-${TARGETARCH:-amd64}",
  "FROM ${BASE%x}",
  "ARG constructor\nFROM $constructor",
  "FROM a\nADD https://example.com/file /x",
  "FROM a\nADD git@example.com:a/b /x",
  "FROM a\nADD me@host.example:x/y.git /x",
  'FROM a\nadd ["me@host.example:x/y.git", "/x"]',
  'FROM a\nADD me"@"host.example:x/y.git /x',
  'FROM a\nADD ["https:\\u002f/example.com/file", "/x"]',
  "FROM a\nADD https:\\\n//example.com/file /x",
  "FROM a\nADD --checksum=sha256:00 https://example.com/file /x",
  `FROM a\nRUN --mount='"from=tool:1",target=/t' make`,
  'FROM a\nCOPY --from="a b" /t /',
  "FROM a\nRUN <<END\nFROM b",
  'FROM a\nRUN echo "x <<END y"\nFROM b\nEND',
  'FROM a\nRUN sh -c "x" <<END\nFROM b\nEND',
  "FROM a\nRUN <<$NAME\nFROM b\n$NAME",
  "FROM a\nARG URL\nADD $URL /x",
  "FROM a\nRUN --mount=from=$IMAGE,target=/t make",
  "# syntax=someone/frontend\nFROM a",
  '{"syntax": "someone/frontend"}\nFROM a',
  "# escape=`\nFROM a",
])("of %j nothing is told, as something cannot be known", (text) => {
  expect(imagesOfDockerfile(text, {})).toBeUndefined();
});

test.for(["@", "\r", "\\", "\"'", "<<A ", "--a "])(
  "very many %j are read without trying each of them anew",
  (piece) => {
    const words = piece.repeat(256 * 1024);
    for (const name of ["ADD", "RUN", "COPY"]) imagesOfDockerfile(`FROM a\n${name} ${words}x`, {});
  },
);

test("fifty thousand here-documents are read in proportion to their number", { timeout: 20_000 }, () => {
  expect(imagesOfDockerfile(`FROM a\n${"RUN <<A\nA\n".repeat(50_000)}`, {})).toEqual(["a"]);
});
