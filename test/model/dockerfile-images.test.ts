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
  "FROM a\nARG URL\nADD $URL /x",
  "FROM a\nRUN --mount=from=$IMAGE,target=/t make",
  "# syntax=someone/frontend\nFROM a",
  '{"syntax": "someone/frontend"}\nFROM a',
  "# escape=`\nFROM a",
])("of %j nothing is told, as something cannot be known", (text) => {
  expect(imagesOfDockerfile(text, {})).toBeUndefined();
});
