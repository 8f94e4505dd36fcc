/** What the GitHub App needs, and why: people shall know before they agree. */
export const appPermissions = [
  {
    name: "metadata",
    level: "read",
    why: "GitHub gives it to every App: names of repositories, and who may write to them.",
  },
  { name: "contents", level: "read", why: "To fetch the commits that are built." },
  {
    name: "checks",
    level: "write",
    why: "To show each function's build beside its commit, with buttons to run it again.",
  },
  { name: "statuses", level: "write", why: "To show the same as commit statuses, where checks are not wanted." },
  { name: "pull_requests", level: "read", why: "To build pull requests, and to read who allows one of a fork." },
  {
    name: "issues",
    level: "read",
    why: "GitHub counts comments to them: one of a person allows what a fork asks for.",
  },
] as const;

/** What GitHub tells the App of. What comes of installing it comes by itself. */
export const appEvents = ["push", "pull_request", "issue_comment", "check_run", "check_suite", "repository"] as const;

/** Path of the server that GitHub delivers to. */
const webhookPath = "/github-event";

export interface ManifestOptions {
  readonly name: string;
  /** Where GitHub reaches the server, such as "https://builder.example.com". */
  readonly publicUrl: string;
  /** Where GitHub sends the browser with the code that becomes the credentials. */
  readonly redirectUrl: string;
}

/** The description that GitHub makes an App of: https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest */
export function appManifest({ name, publicUrl, redirectUrl }: ManifestOptions): object {
  return {
    name,
    url: publicUrl,
    description: "Builds OpenFaaS functions from pushes.",
    hook_attributes: { url: webhookUrlOf(publicUrl), active: true },
    redirect_url: redirectUrl,
    public: false,
    default_permissions: Object.fromEntries(appPermissions.map((permission) => [permission.name, permission.level])),
    default_events: appEvents,
  };
}

/** The webhook's address of a server. */
export function webhookUrlOf(publicUrl: string): string {
  return `${publicUrl.replace(/\/+$/, "")}${webhookPath}`;
}

/** Which of the needed permissions are not given. */
export function missingPermissions(given: Readonly<Record<string, string>>): readonly string[] {
  const levels = ["read", "write", "admin"];
  return appPermissions
    .filter(({ name, level }) => levels.indexOf(given[name] ?? "") < levels.indexOf(level))
    .map(({ name, level }) => `${name}: ${level}`);
}
