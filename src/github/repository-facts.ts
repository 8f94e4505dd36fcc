import type { Octokit } from "@octokit/rest";
import type { Branches, BranchHead } from "../model/branch-head.ts";
import type { Place } from "../model/place.ts";
import { isRequestError, isUnauthorized, speaking } from "./github-error.ts";
import type { InstallationTokens, TokenScope } from "./installation-tokens.ts";

/** What GitHub's API says of a repository. Each throws BuilderError `github_failed`, `github_refused`. */
export interface RepositoryFacts {
  /** Whether a person may write there. */
  mayWrite(place: Place, login: string, options: { signal: AbortSignal }): Promise<boolean>;
  /** An open pull request; undefined where there is none of this number. */
  pullRequest(place: Place, number: number, options: { signal: AbortSignal }): Promise<PullRequestFacts | undefined>;
  /**
   * The head of a branch; "same" where it is what it was when GitHub gave the ETag, which costs nothing of the quota;
   * undefined where there is no such branch.
   */
  branchHead(
    place: Place,
    asked: { branch: string; etag: string | undefined },
    options: { signal: AbortSignal },
  ): Promise<BranchHead | "same" | undefined>;
  /**
   * The branches, the first 300 by name; "same" where all are what they were when GitHub gave the ETag; undefined where
   * there is no such repository.
   */
  branches(
    place: Place,
    asked: { etag: string | undefined },
    options: { signal: AbortSignal },
  ): Promise<Branches | "same" | undefined>;
  /** Name of the default branch; undefined where there is no such repository. */
  defaultBranch(place: Place, options: { signal: AbortSignal }): Promise<string | undefined>;
  /** The installation of our App that reaches a repository by its name, and is not suspended. */
  installationOf(place: Place, options: { signal: AbortSignal }): Promise<string | undefined>;
}

export interface PullRequestFacts {
  readonly sha: string;
  readonly base: string;
  readonly defaultBranch: string;
  readonly fork: boolean;
  readonly private: boolean;
  readonly cloneUrl: string;
  /** Unix seconds. */
  readonly updatedAt: number;
}

/** What the questions are asked with. */
interface Asking {
  /** Nobody's client: each request brings the token that is narrowed to what it asks. */
  readonly octokit: Octokit;
  readonly tokens: InstallationTokens;
  /** The App's own client. */
  asApp(): Promise<Octokit>;
}

/** Creates the way to what GitHub says of repositories. */
export function createRepositoryFacts(asking: Asking): RepositoryFacts {
  return {
    mayWrite: (place, login, { signal }) =>
      speaking(`tell what ${login} may do`, () => readMayWrite(asking, { place, login, signal })),
    pullRequest: (place, number, { signal }) =>
      speaking("show a pull request", () => readPullRequest(asking, { place, number, signal })),
    branchHead: (place, asked, { signal }) =>
      speaking("show the head of a branch", () => readHead(asking, { place, ...asked, signal })),
    branches: (place, { etag }, { signal }) =>
      speaking("list the branches of a repository", () => readBranches(asking, { place, etag, signal })),
    defaultBranch: (place, { signal }) =>
      speaking("show a repository", () => readDefaultBranch(asking, { place, signal })),
    installationOf: (place, { signal }) =>
      speaking("tell where the App is installed", () => readInstallation(asking, { place, signal })),
  };
}

interface Question {
  readonly place: Place;
  readonly signal: AbortSignal;
}

async function readMayWrite(asking: Asking, { place, login, signal }: Question & { login: string }): Promise<boolean> {
  const way = "GET /repos/{owner}/{repo}/collaborators/{username}/permission";
  const answer = await orMissing(
    withToken(asking, { place, permissions: { metadata: "read" } }, (headers) =>
      asking.octokit.request(way, { ...pathOf(place), username: login, headers, request: { signal } }),
    ),
  );
  return ["admin", "write"].includes(answer?.data.permission ?? "none");
}

async function readPullRequest(
  asking: Asking,
  { place, number, signal }: Question & { number: number },
): Promise<PullRequestFacts | undefined> {
  const way = "GET /repos/{owner}/{repo}/pulls/{pull_number}";
  const answer = await orMissing(
    withToken(asking, { place, permissions: { pull_requests: "read" } }, (headers) =>
      asking.octokit.request(way, { ...pathOf(place), pull_number: number, headers, request: { signal } }),
    ),
  );
  return answer?.data.state === "open" ? pullRequestOf(answer.data) : undefined;
}

async function readHead(
  asking: Asking,
  { place, branch, etag, signal }: Question & { branch: string; etag: string | undefined },
): Promise<BranchHead | "same" | undefined> {
  const conditional = etag === undefined ? {} : { "if-none-match": etag };
  try {
    return await withToken(asking, { place, permissions: { contents: "read" } }, async (headers) => {
      const path = { ...pathOf(place), branch, headers: { ...headers, ...conditional }, request: { signal } };
      return headOf(await asking.octokit.request("GET /repos/{owner}/{repo}/branches/{branch}", path));
    });
  } catch (error) {
    return statusOf(error) === 304 ? "same" : missing(error);
  }
}

const perPage = 100;
const maxPages = 3;

async function readBranches(
  asking: Asking,
  { place, etag, signal }: Question & { etag: string | undefined },
): Promise<Branches | "same" | undefined> {
  const heads: { name: string; sha: string }[] = [];
  const conditional = etag === undefined ? {} : { "if-none-match": etag };
  const readPage = (page: number) =>
    withToken(asking, { place, permissions: { contents: "read" } }, (headers) =>
      asking.octokit.request("GET /repos/{owner}/{repo}/branches", {
        ...{ ...pathOf(place), per_page: perPage, page },
        ...{ headers: { ...headers, ...conditional }, request: { signal } },
      }),
    );
  try {
    for (let page = 1; page <= maxPages; page++) {
      const { data, headers } = await readPage(page);
      heads.push(...data.map(({ name, commit }) => ({ name, sha: commit.sha })));
      // The ETag of a page says nothing of the others.
      if (data.length < perPage) return { heads, ...(page === 1 && headers.etag && { etag: headers.etag }) };
    }
    return { heads };
  } catch (error) {
    return statusOf(error) === 304 ? "same" : missing(error);
  }
}

async function readDefaultBranch(asking: Asking, { place, signal }: Question): Promise<string | undefined> {
  const answer = await orMissing(
    withToken(asking, { place, permissions: { metadata: "read" } }, (headers) =>
      asking.octokit.request("GET /repos/{owner}/{repo}", { ...pathOf(place), headers, request: { signal } }),
    ),
  );
  return answer?.data.default_branch;
}

async function readInstallation({ asApp }: Asking, { place, signal }: Question): Promise<string | undefined> {
  const path = { ...pathOf(place), request: { signal } };
  const answer = await orMissing((await asApp()).request("GET /repos/{owner}/{repo}/installation", path));
  return answer && !answer.data.suspended_at ? String(answer.data.id) : undefined;
}

/** Asks again with a new token where GitHub does not take the one that we have: it was revoked. */
async function withToken<T>(
  { tokens }: Asking,
  { place, permissions }: { place: Place; permissions: TokenScope["permissions"] },
  ask: (headers: { authorization: string }) => Promise<T>,
): Promise<T> {
  const scope = { installationId: place.installationId, repositoryId: place.repositoryId, permissions };
  const askOnce = async () => ask({ authorization: `bearer ${await tokens.of(scope)}` });
  try {
    return await askOnce();
  } catch (error) {
    if (!isUnauthorized(error)) throw error;
    tokens.forget(scope);
    return askOnce();
  }
}

function pathOf({ owner, repository }: Place) {
  return { owner, repo: repository };
}

/** What is read of GitHub's answers. */
interface PullRequestAnswer {
  readonly head: { readonly sha: string; readonly repo: { readonly id: number | bigint } | null };
  readonly base: {
    readonly ref: string;
    readonly repo: {
      readonly id: number | bigint;
      readonly private: boolean;
      readonly clone_url: string;
      readonly default_branch: string;
    };
  };
  readonly updated_at: string;
}

interface BranchAnswer {
  readonly data: {
    readonly commit: {
      readonly sha: string;
      readonly commit: { readonly message: string; readonly committer: { readonly date?: string } | null };
    };
  };
  readonly headers: { readonly etag?: string; readonly date?: string };
}

function pullRequestOf({ head, base, updated_at }: PullRequestAnswer): PullRequestFacts {
  return {
    sha: head.sha,
    base: base.ref,
    defaultBranch: base.repo.default_branch,
    fork: head.repo?.id !== base.repo.id,
    private: base.repo.private,
    cloneUrl: base.repo.clone_url,
    updatedAt: Math.floor(Date.parse(updated_at) / 1000),
  };
}

function headOf({ data, headers }: BranchAnswer): BranchHead {
  const { sha, commit } = data.commit;
  const committedAt = Math.floor(Date.parse(commit.committer?.date ?? "") / 1000) || 0;
  const seenAt = Math.floor(Date.parse(headers.date ?? "") / 1000) || 0;
  return { sha, etag: headers.etag ?? "", message: commit.message, committedAt, seenAt };
}

async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch(missing);
}

function missing(error: unknown): undefined {
  if (statusOf(error) !== 404) throw error;
}

function statusOf(error: unknown): number | undefined {
  return isRequestError(error) ? error.status : undefined;
}
