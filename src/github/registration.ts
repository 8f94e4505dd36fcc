import type { Octokit } from "@octokit/rest";
import { z } from "zod";
import { speaking } from "./github-error.ts";
import { createOctokit, type OctokitOptions } from "./octokit.ts";

/** What GitHub has written down of the App that we are. */
export interface AppFacts {
  readonly name: string;
  readonly slug: string;
  readonly url: string;
  readonly owner: string;
  readonly permissions: Readonly<Record<string, string>>;
  readonly events: readonly string[];
}

/** One account that the App is installed on. */
export interface Installed {
  readonly account: string;
  readonly isSuspended: boolean;
  /** Less than the App asks for while its owner has not agreed to what was added. */
  readonly permissions: Readonly<Record<string, string>>;
  readonly url: string;
}

/** Each of these throws BuilderError `github_failed`, `github_refused` or `setting_invalid`. */
export interface AppRegistration {
  read(options: Waiting): Promise<AppFacts>;
  readHook(options: Waiting): Promise<{ readonly url: string; readonly contentType: string }>;
  /** Has GitHub deliver to another address. */
  moveHook(url: string, options: Waiting): Promise<void>;
  installations(options: Waiting): Promise<readonly Installed[]>;
}

interface Waiting {
  readonly signal: AbortSignal;
}

const appSchema = z.object({
  name: z.string(),
  slug: z.string(),
  html_url: z.string(),
  owner: z.object({ login: z.string() }),
  permissions: z.record(z.string(), z.string()),
  events: z.array(z.string()),
});
const hookSchema = z.object({ url: z.string().default(""), content_type: z.string().default("form") });
const installationSchema = z.object({
  account: z.object({ login: z.string() }),
  html_url: z.string(),
  suspended_at: z.string().nullish(),
  permissions: z.record(z.string(), z.string()),
});
const perPage = 100;
/** Ten thousand installations. */
const maxPages = 100;

/** Creates the way to the App's own registration. @param asApp the App's own client */
export function createRegistration(asApp: () => Promise<Octokit>): AppRegistration {
  return {
    read: ({ signal }) =>
      speaking("show the App", async () => {
        const { data } = await (await asApp()).request("GET /app", { request: { signal } });
        const { html_url: url, owner, ...facts } = appSchema.parse(data);
        return { ...facts, url, owner: owner.login };
      }),
    readHook: ({ signal }) =>
      speaking("show the App's webhook", async () => {
        const { data } = await (await asApp()).request("GET /app/hook/config", { request: { signal } });
        const { url, content_type: contentType } = hookSchema.parse(data);
        return { url, contentType };
      }),
    moveHook: (url, { signal }) =>
      speaking("change the App's webhook", async () => {
        // As a parameter "url" would be the address of the request itself.
        const data = { url, content_type: "json" };
        await (await asApp()).request("PATCH /app/hook/config", { data, request: { signal } });
      }),
    installations: ({ signal }) =>
      speaking("list where the App is installed", async () => {
        const installed: Installed[] = [];
        for (let page = 1; page <= maxPages; page++) {
          const request = { per_page: perPage, page, request: { signal } };
          const { data } = await (await asApp()).request("GET /app/installations", request);
          installed.push(...z.array(installationSchema).parse(data).map(installedOf));
          if (data.length < perPage) break;
        }
        return installed;
      }),
  };
}

function installedOf({ account, permissions, ...told }: z.infer<typeof installationSchema>): Installed {
  const isSuspended = typeof told.suspended_at === "string";
  return { account: account.login, isSuspended, permissions, url: told.html_url };
}

/** What a new App is known and trusted by. */
export interface AppCredentials {
  readonly id: string;
  readonly url: string;
  readonly privateKey: string;
  readonly webhookSecret: string;
}

const conversionSchema = z.object({
  id: z.number(),
  html_url: z.string(),
  pem: z.string().min(1),
  webhook_secret: z.string().min(1),
});

/**
 * Turns the code that GitHub gives a browser, once, into the credentials of the App that was made.
 * @throws BuilderError `github_failed`, `github_refused`: also when the code was used or is older than an hour
 */
export async function convertManifest(code: string, options: OctokitOptions & Waiting): Promise<AppCredentials> {
  return speaking("hand over the new App's credentials", async () => {
    const { data } = await createOctokit(options).request("POST /app-manifests/{code}/conversions", {
      code,
      request: { signal: options.signal },
    });
    const { id, html_url: url, pem, webhook_secret: webhookSecret } = conversionSchema.parse(data);
    return { id: String(id), url, privateKey: pem, webhookSecret };
  });
}
