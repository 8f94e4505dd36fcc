import { randomUUID } from "node:crypto";
import { expect, inject, test } from "vitest";
import { createMemoryContext } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";
import { files, push, readManifest } from "./pushed-image.ts";

test("provenance and SBOM are not made unless they are asked for", async () => {
  const { manifest } = await push({});
  expect(manifest?.manifests).toBeUndefined();
  expect(manifest?.layers).toHaveLength(1);
});

test.for(["min", "max"] as const)("K6 provenance %s is attached", async (provenance) => {
  const { manifest, repository } = await push({}, { provenance });
  const attached = manifest?.manifests?.find(
    ({ annotations }) => annotations?.["vnd.docker.reference.type"] === "attestation-manifest",
  );
  const attestation = await readManifest(repository, attached?.digest ?? "");
  expect(attestation?.layers[0]?.annotations?.["in-toto.io/predicate-type"]).toContain("slsa.dev/provenance");
});

/** A scanner as BuildKit's protocol wants it: it writes one SPDX document about the folder that it is shown. */
const scanner = `#!/bin/sh
target="$BUILDKIT_SCAN_DESTINATION/$(basename "$BUILDKIT_SCAN_SOURCE").spdx.json"
files=$(cd "$BUILDKIT_SCAN_SOURCE" && find . -type f | sed 's/.*/{"fileName": "&"}/' | tr '\\n' ',' | sed 's/,$//')
statement='"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document"'
echo "{$statement, \\"predicate\\": {\\"spdxVersion\\": \\"SPDX-2.3\\", \\"files\\": [$files]}}" > "$target"
`;

test("an SBOM is made by the scanner that is named, and attached to the image", async () => {
  const generator = `${inject("registry")}/tools/scanner:${randomUUID()}`;
  const Dockerfile = 'FROM busybox\nCOPY --chmod=755 scan /\nENTRYPOINT ["/scan"]\n';
  const made = await buildOnce({
    context: createMemoryContext({ Dockerfile, scan: scanner }),
    image: { names: [generator], push: true, insecure: true },
  });
  expect(made.error).toBeUndefined();
  const { manifest, repository } = await push({}, { sbom: { generator } });
  const attached = manifest?.manifests?.find(
    ({ annotations }) => annotations?.["vnd.docker.reference.type"] === "attestation-manifest",
  );
  const [layer] = (await readManifest(repository, attached?.digest ?? ""))?.layers ?? [];
  expect(layer?.annotations?.["in-toto.io/predicate-type"]).toBe("https://spdx.dev/Document");
  const blob = await fetch(`http://${inject("registry")}/v2/${repository}/blobs/${layer?.digest}`);
  expect(await blob.json()).toMatchObject({
    predicate: { spdxVersion: "SPDX-2.3", files: [{ fileName: "./a.txt" }] },
    subject: [{ digest: { sha256: expect.any(String) } }],
  });
});

test("a scanner that cannot be had is told by its name", async () => {
  const { error } = await buildOnce({
    context: createMemoryContext(files()),
    sbom: { generator: `${inject("registry")}/no/scanner:1` },
    image: { names: ["example.com/x:y"], push: false, insecure: false },
  });
  expect(error?.message).toContain("/no/scanner:1");
  expect(error?.fix).not.toBe("");
});
