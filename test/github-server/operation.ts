import type { IncomingHttpHeaders } from "node:http";
import { type createAppAuth, tokenOf } from "./app-auth.ts";
import type { CheckBoard } from "./checks.ts";
import type { createFaults } from "./faults.ts";
import type { Hook } from "./hook.ts";
import type { Installations } from "./installations.ts";
import type { Product } from "./openapi.ts";
import type { Registration } from "./registered-app.ts";
import type { StatusBoard } from "./statuses.ts";

export interface StoredRepository {
  readonly id: string;
  readonly installationId: string;
  readonly owner: string;
  readonly name: string;
  readonly private: boolean;
  readonly defaultBranch: string;
  readonly folder: string;
}

/** A pull request, by its repository's `owner/name` in lower case and its number. */
export interface StoredPull {
  readonly repository: string;
  readonly number: number;
  readonly sha: string;
  readonly base: string;
  readonly fork: boolean;
  readonly updatedAt: Date;
}

/** All that this GitHub knows. */
export interface World {
  /** Whose description everything is held against. */
  readonly product: Product;
  readonly installations: Installations;
  readonly auth: ReturnType<typeof createAppAuth>;
  readonly repositories: Map<string, StoredRepository>;
  /** Some may be in the making at once. */
  nextRepositoryId: number;
  readonly statuses: StatusBoard;
  readonly checks: CheckBoard;
  /** Ids of repositories by the `owner/name`, in lower case, that they had before. */
  readonly moved: Map<string, string>;
  readonly faults: ReturnType<typeof createFaults>;
  /** Where a request or an answer broke GitHub's own description. */
  readonly violations: string[];
  /** `METHOD /path` of every call, with the faulty ones. */
  readonly calls: string[];
  /** Those that were answered with 304, which costs nothing of a quota. */
  readonly unmodified: string[];
  readonly hook: Hook;
  readonly pulls: StoredPull[];
  /** Logins of who may write, everywhere. */
  readonly writers: Set<string>;
  /** Ids of repositories that the App was not installed on. */
  readonly unselected: Set<string>;
  readonly registration: Registration;
}

/** What a call is answered with. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A call whose form is as GitHub describes it. */
export interface Call {
  readonly values: Readonly<Record<string, string>>;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

/** One operation of the REST API, under the path that GitHub's description has it. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  handle(call: Call, world: World): Answer | Promise<Answer>;
}

/** Public repositories are everybody's, private ones need a token with the permission. */
export function isReadable(
  { auth }: World,
  repository: StoredRepository,
  { authorization, permission }: { authorization: string | undefined; permission: string },
): boolean {
  return !repository.private || auth.allows(tokenOf(authorization), repository, [permission, "read"]);
}

/** The repository that a call's path names. */
export function repositoryOf({ owner, repo }: Call["values"], world: World): StoredRepository | undefined {
  return world.repositories.get(`${owner}/${repo}`.toLowerCase());
}

/** GitHub's form of a refusal. */
export function refusal(status: number, message: string): Answer {
  return { status, body: { message, documentation_url: "https://docs.github.com/rest" } };
}
