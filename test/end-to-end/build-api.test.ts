import { execFile } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { askRegistry } from "../ask-registry.ts";
import { createInstallation, digestOf, type Installation, leftBodies, type Serving } from "./serving.ts";

const run = promisify(execFile);
let installation: Installation;
let serving: Serving;

beforeAll(async () => {
  installation = await createInstallation();
  serving = await installation.start();
});
afterAll(() => installation[Symbol.asyncDispose]());

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

async function readJson<T>(url: string): Promise<T> {
  return (await askRegistry(url)).json() as Promise<T>;
}

/** The commands of the 0.4 README, with the run's registry in the place of registry.local:5000. */
const walkthrough = `
set -e
rm -rf test-image && \\
mkdir -p test-image && \\
cd test-image

echo '{"Ref": "REGISTRY/foo/bar:latest"}' > config

mkdir -p context
echo "## Made with buildkit" >> context/README.md
cat >context/Dockerfile<<EOT
FROM busybox
ADD README.md /
ENV foo bar
EOT

tar cvf req.tar  --exclude=req.tar  .
curl -i ADDRESS/build -X POST --data-binary @req.tar
`;

test("the walkthrough of the 0.4 README works word for word", async () => {
  const script = walkthrough.replace("REGISTRY", inject("registry")).replace("ADDRESS", serving.address);
  const { stdout } = await run("sh", ["-c", script], { cwd: installation.folder });
  expect(stdout).toContain("HTTP/1.1 200 OK");
  const answer = JSON.parse(stdout.slice(stdout.indexOf("\r\n\r\n") + 4));
  expect(answer).toMatchObject({ status: "success", imageName: `${inject("registry")}/foo/bar:latest` });
  expect(await digestOf("foo/bar", "latest")).toMatch(/^sha256:/);

  const registry = `http://${inject("registry")}/v2/foo/bar`;
  const manifest = await readJson<Manifest>(`${registry}/manifests/latest`);
  const { config } = await readJson<{ config: { Env: string[] } }>(`${registry}/blobs/${manifest.config.digest}`);
  expect(config.Env).toContain("foo=bar");
  const layer = join(installation.folder, "layer.tar.gz");
  const bytes = await (await fetch(`${registry}/blobs/${manifest.layers.at(-1)?.digest}`)).arrayBuffer();
  await writeFile(layer, Buffer.from(bytes));
  expect((await run("tar", ["-xzOf", layer, "README.md"])).stdout).toBe("## Made with buildkit\n");
  expect(await leftBodies(installation)).toEqual([]);
});

test("curl sends a large body once it is told to continue, and /build/ is /build", async () => {
  const folder = join(installation.folder, "large");
  await mkdir(join(folder, "context"), { recursive: true });
  await writeFile(join(folder, "context/Dockerfile"), "FROM busybox\nCOPY large /\n");
  await writeFile(join(folder, "context/large"), randomBytes(3 * 1024 * 1024));
  await writeFile(join(folder, "config"), '{"ref":"x/large:1","skipPush":true}');
  await run("tar", ["-cf", "../large.tar", "."], { cwd: folder });
  const args = ["-sv", "--http1.1", "-H", "Expect: 100-continue", "--data-binary", "@large.tar"];
  const { stdout, stderr } = await run("curl", [...args, `${serving.address}/build/`], { cwd: installation.folder });
  expect(stderr).toMatch(/< HTTP\/1\.1 100 Continue[\s\S]*< HTTP\/1\.1 200 OK/);
  expect(JSON.parse(stdout)).toMatchObject({ status: "success", imageName: "x/large:1" });
});

/** A request of today's faas-cli: context first, the config last. */
async function newestForm(name: string, dockerfile: string): Promise<Buffer> {
  const folder = join(installation.folder, `newest-${name}`);
  await mkdir(join(folder, "context"), { recursive: true });
  await writeFile(join(folder, "context", "Dockerfile"), dockerfile);
  const config = { image: `${inject("registry")}/new/${name}:1`, buildArgs: { WHO: "me" }, platforms: ["linux/amd64"] };
  await writeFile(join(folder, "com.openfaas.docker.config"), JSON.stringify(config));
  await run("tar", ["--format=ustar", "-cf", "../newest.tar", "context", "com.openfaas.docker.config"], {
    cwd: folder,
  });
  return readFile(join(installation.folder, "newest.tar"));
}

test("the newest form is built when its signature holds, streamed, and ends with one terminal record", async () => {
  const secret = "a payload secret";
  const file = join(installation.folder, "secrets", "payload-secret");
  await writeFile(file, `${secret}\n`);
  const body = await newestForm("good", "FROM busybox\nARG WHO\nRUN echo $WHO > /who\n");
  const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const send = (headers: Record<string, string>) =>
    fetch(`${serving.address}/build`, { method: "POST", headers, body });

  expect((await send({})).status).toBe(401);
  expect((await send({ "x-build-signature": signature.replace(/.$/, "x") })).status).toBe(401);
  const streamed = await send({ "x-build-signature": signature, accept: "application/x-ndjson" });
  const records = (await streamed.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(records.map(({ status }) => status).filter((status) => status !== "in_progress")).toEqual(["success"]);
  const digest = await digestOf("new/good", "1");
  expect(records.at(-1)).toMatchObject({ image: `${inject("registry")}/new/good:1`, digest });
  expect(digest).toMatch(/^sha256:/);

  const broken = await newestForm("bad", "FROM busybox\nRUN exit 3\n");
  const brokenSignature = `sha256=${createHmac("sha256", secret).update(broken).digest("hex")}`;
  const failed = await fetch(`${serving.address}/build`, {
    method: "POST",
    headers: { "x-build-signature": brokenSignature, accept: "application/x-ndjson" },
    body: broken,
  });
  expect(failed.status).toBe(200);
  const last = JSON.parse((await failed.text()).trim().split("\n").at(-1) ?? "");
  expect(last).toMatchObject({ status: "failed", error: expect.stringContaining("exit code 3") });
  expect(await leftBodies(installation)).toEqual([]);
});

test("a server without a payload secret says loudly that anyone can build", () => {
  expect(serving.log.some(({ msg }) => /ANYONE/.test(String(msg)))).toBe(true);
});

test("GET /metrics counts what was built and what was refused above", async () => {
  const text = await (await fetch(`${serving.address}/metrics`)).text();
  for (const result of ["success", "failed", "refused"]) {
    expect(text).toMatch(new RegExp(`^of_builder_build_request_seconds_count\\{result="${result}"\\} [1-9]`, "m"));
  }
  expect(text).toMatch(/^of_builder_build_requests 0$/m);
});
