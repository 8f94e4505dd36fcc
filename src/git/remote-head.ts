import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { simpleGit } from "simple-git";
import { type GitWorld, gitEnvironment } from "./git-environment.ts";
import { translateGitError } from "./git-error.ts";

/**
 * Asks what a ref of a repository stands for now. Nothing is fetched.
 * @param want.ref its full name
 * @returns its commit; of a tag that is an object of its own that object and its commit; none where there is no such ref
 * @throws BuilderError `checkout_failed`, `tool_missing`
 */
export async function readRemoteHead(
  { url, ref, token, protocols }: { url: URL; ref: string; token: string | undefined; protocols: readonly string[] },
  {
    temporaryFolder,
    inherited,
    signal,
  }: { temporaryFolder: string; signal: AbortSignal } & Pick<GitWorld, "inherited">,
): Promise<readonly string[]> {
  const home = await mkdtemp(join(temporaryFolder, "head-"));
  const environment = gitEnvironment({
    home,
    protocols,
    inherited,
    ...(token !== undefined && { credentials: { origin: url.origin, token } }),
  });
  try {
    const git = simpleGit({
      baseDir: home,
      abort: signal,
      allowEnvironment: Object.keys(environment),
      unsafe: { allowUnsafeConfigEnvCount: true, allowUnsafeConfigPaths: true, allowUnsafeHooksPath: true },
    }).env(environment);
    const asked = ["ls-remote", "--quiet", ...kindOf(ref), "--", url.href, ref, `${ref}^{}`];
    const lines = (await git.raw(asked)).split("\n");
    return lines.flatMap((line) => {
      const [sha = "", name] = line.split("\t");
      return name === ref || name === `${ref}^{}` ? [sha] : [];
    });
  } catch (error) {
    signal.throwIfAborted();
    throw translateGitError(error, { what: `${ref} of ${url.href}`, token, goneCode: "commit_gone" });
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Git has all refs of a kind sent, and only then looks for names; without a kind also those of every pull request. */
function kindOf(ref: string): readonly string[] {
  if (ref.startsWith("refs/heads/")) return ["--heads"];
  return ref.startsWith("refs/tags/") ? ["--tags"] : [];
}
