import { mkdtemp, readdir, rm } from "node:fs/promises";
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
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
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
