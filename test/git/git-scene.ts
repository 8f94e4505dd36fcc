import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { createGit, type Git, type GitOptions } from "../../src/git/git.ts";
import { createLog } from "../../src/log.ts";
import type { GithubServer } from "../github-server/server.ts";

/** A git on a folder that must be empty again when the test ends. */
export async function gitScene(options: Partial<GitOptions> = {}): Promise<{ git: Git; temporaryFolder: string }> {
  const temporaryFolder = await mkdtemp(join(tmpdir(), "git-test-"));
  onTestFinished(async () => {
    const left = await readdir(temporaryFolder);
    await rm(temporaryFolder, { recursive: true });
    expect(left).toEqual([]);
  });
  const environment = { PATH: process.env.PATH };
  const git = createGit({ temporaryFolder, allowHttp: true, log: createLog("silent"), environment, ...options });
  return { git, temporaryFolder };
}

/** Serves on a free port until the test ends; answers its address. */
export async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A folder of the test's own. */
export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "git-test-scratch-"));
  onTestFinished(() => rm(folder, { recursive: true, maxRetries: 10, retryDelay: 50 }));
  return folder;
}

/** A git that notes how it is called. `fetches` answers how often it was sent to a server so far. */
export async function spyGit(): Promise<{ environment: { PATH: string }; fetches(): Promise<number> }> {
  const bin = await scratchFolder();
  const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim();
  await writeFile(join(bin, "calls"), "");
  await writeFile(join(bin, "git"), `#!/bin/sh\necho "$*" >> ${bin}/calls\nexec ${real} "$@"\n`);
  await chmod(join(bin, "git"), 0o755);
  return {
    environment: { PATH: `${bin}:${process.env.PATH}` },
    async fetches() {
      const calls = (await readFile(join(bin, "calls"), "utf8")).split("\n");
      return calls.filter((call) => call.startsWith("fetch ")).length;
    },
  };
}

let names = 0;

/** A name that no other repository of this run has. */
export const uniqueName = () => `repository-${++names}`;

/** A private repository, and a token that may read it. */
export async function privateRepository(github: GithubServer) {
  const name = uniqueName();
  const { cloneUrl, sha, id } = await github.createRepository("o", name, { private: true });
  const token = github.issueToken({ repositoryIds: [id], permissions: { contents: "read" } });
  return { cloneUrl, sha, token };
}

/** A server that takes requests and answers none. */
export function silentServer() {
  const asked = Promise.withResolvers<void>();
  return { server: createServer(() => asked.resolve()), asked: asked.promise };
}
