/*
 * Our side of the BuildKit bench, a process of its own:
 *
 *   upload ADDRESS FOLDER   standard input: a definition of one local source "context", as buildctl takes it
 *   build ADDRESS FOLDER    a Dockerfile build of the folder, twice; prints the seconds from the second one's start to
 *                           its digest, as a server that runs for long has it
 *   export ADDRESS FOLDER TARGET   one Dockerfile build, whose files come back as the tar TARGET
 */
import { buffer } from "node:stream/consumers";
import { parseAddress } from "../../src/buildkit/address.ts";
import type { Buildkit } from "../../src/buildkit/client.ts";
import { createFileSync, diffCopyPath } from "../../src/buildkit/file-sync.ts";
import { SolveRequest } from "../../src/buildkit/generated/control.ts";
import { Definition } from "../../src/buildkit/generated/pb.ts";
import { createHealth } from "../../src/buildkit/health.ts";
import type { BuildResult } from "../../src/buildkit/one-build.ts";
import { createProgress } from "../../src/buildkit/progress.ts";
import { createId, openSession } from "../../src/buildkit/session.ts";
import { runSolve } from "../../src/buildkit/solve.ts";
import type { BuildRequest } from "../../src/buildkit/solve-request.ts";
import { createDirectoryContext } from "../../src/contexts/directory.ts";

const { signal } = new AbortController();
const [task = "", address = "", folder = "", target = ""] = process.argv.slice(2);
const context = createDirectoryContext(folder, { within: folder, links: "keep" });
if (task === "upload") await upload();
else await withClient(task === "export" ? exportTar : buildTwice);

async function upload(): Promise<void> {
  const endpoint = parseAddress(address);
  const files = createFileSync(new Map([["context", context]]));
  const session = openSession(endpoint, new Map([createHealth(), [diffCopyPath, files]]), { sharedKey: "" });
  const request = SolveRequest.fromPartial({
    ref: createId(),
    session: session.id,
    definition: Definition.decode(await buffer(process.stdin)),
    cache: {},
  });
  const end = await runSolve(session, request, { progress: createProgress(() => undefined), signal });
  await session.close();
  if (!end.ok) throw new Error(end.failure.message);
}

/** Loads what builds need and an upload does not. */
async function withClient(run: (client: Buildkit) => Promise<void>): Promise<void> {
  const [{ createBuildkit }, { createLog }] = await Promise.all([
    import("../../src/buildkit/client.ts"),
    import("../../src/log.ts"),
  ]);
  const client = createBuildkit({ address, log: createLog("silent") });
  try {
    await run(client);
  } finally {
    client.close();
  }
}

async function exportTar(client: Buildkit): Promise<void> {
  await build(client, { exports: [{ type: "tar", to: target }] });
}

async function buildTwice(client: Buildkit): Promise<void> {
  const image = { names: ["example.com/bench:latest"], push: false, insecure: false };
  await build(client, { image });
  const startedAt = performance.now();
  const { digest } = await build(client, { image });
  if (digest === undefined) throw new Error("the build told no digest");
  process.stdout.write(`${(performance.now() - startedAt) / 1000}\n`);
}

async function build(client: Buildkit, output: Partial<BuildRequest>): Promise<BuildResult> {
  return await client.build({ context, sharedKey: folder, ...output }, { signal, onEvent: () => undefined });
}
