import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { examineApp, openSetupPages, type SetupPages } from "../../src/compose/setup.ts";
import { type Config, readConfig } from "../../src/config.ts";
import { appEvents, appPermissions } from "../../src/model/app-manifest.ts";
import { createScratch, quiet } from "../database/scratch.ts";
import { type GithubServer, startGithubServer } from "../github-server/server.ts";

let parts: AsyncDisposableStack;
let github: GithubServer;
let secrets: string;
let pages: SetupPages;

beforeEach(async () => {
  parts = new AsyncDisposableStack();
  github = parts.use(await startGithubServer());
  const { path } = parts.use(await createScratch());
  secrets = join(path, "secrets");
});
afterEach(() => parts.disposeAsync());

const signal = new AbortController().signal;
const granted = Object.fromEntries(appPermissions.map(({ name, level }) => [name, level]));

function configured(more: Record<string, string> = {}): Config {
  return readConfig({ github_api_url: github.apiUrl, secret_mount_path: secrets, HOME: secrets, ...more });
}

async function openPages(): Promise<Browser> {
  const config = configured();
  const reread = async () => {
    const id = await readFile(join(secrets, "github-app-id"), "utf8").catch(() => "");
    return configured({ github_app_id: id.trim() });
  };
  const wishes = { name: "of-builder", organization: "", port: 0 };
  pages = parts.use(await openSetupPages(wishes, { config, readConfig: reread, log: quiet, signal }));
  return createBrowser(new URL(pages.address).origin);
}

interface Browser {
  /** Opens an address, follows redirects among our pages, and answers what is shown. */
  open(path: string, form?: Record<string, string>): Promise<{ status: number; text: string; url: string }>;
}

/** As much of a browser as the flow needs: cookies of one origin, redirects, forms. */
function createBrowser(origin: string): Browser {
  let cookie = "";
  const open: Browser["open"] = async (path, form) => {
    const url = new URL(path, origin);
    const response = await fetch(url, {
      redirect: "manual",
      headers: url.origin === origin ? { cookie } : {},
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    cookie = response.headers.get("set-cookie")?.split(";")[0] || cookie;
    const location = response.headers.get("location");
    if (location) return open(new URL(location, url).href);
    return { status: response.status, text: await response.text(), url: url.href };
  };
  return { open };
}

const wish = { name: "My builder", publicUrl: "https://builder.example.com/", organization: "" };

/** The form of the second page, as a browser would send it. */
function formOf(html: string): { action: string; manifest: string } {
  const decoded = (text = "") => text.replaceAll(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
  const [, action] = /action="([^"]+)"/.exec(html) ?? [];
  const [, manifest] = /name="manifest" value="([^"]+)"/.exec(html) ?? [];
  return { action: decoded(action), manifest: decoded(manifest) };
}

describe("the pages of of-builder setup", () => {
  test("make the App at GitHub, store its credentials for the owner alone, and say what is missing", async () => {
    const browser = await openPages();
    const first = await browser.open(pages.address);
    expect(first).toMatchObject({ status: 200, url: new URL("/", pages.address).href });
    for (const { name, why } of appPermissions) {
      expect(first.text).toContain(name);
      expect(first.text).toContain(why.replaceAll("'", "&#39;"));
    }
    const { action, manifest } = formOf((await browser.open("/prepare", wish)).text);
    expect(action).toMatch(new RegExp(`^${github.url}/settings/apps/new\\?state=[\\w-]{43}$`));
    expect(JSON.parse(manifest)).toMatchObject({
      name: "My builder",
      hook_attributes: { url: "https://builder.example.com/github-event", active: true },
      default_permissions: granted,
      default_events: [...appEvents],
      public: false,
    });
    const status = await browser.open(action, { manifest });
    expect(status).toMatchObject({ status: 200, url: new URL("/status", pages.address).href });
    expect(status.text).toContain("nowhere yet");
    expect(status.text).toContain('<a href="https://github.com/apps/of-builder/installations/new">');

    expect(await readFile(join(secrets, "private-key"), "utf8")).toBe(github.privateKeyPem);
    expect(await readFile(join(secrets, "github-webhook-secret"), "utf8")).toBe(`${github.webhookSecret}\n`);
    expect(await readFile(join(secrets, "github-app-id"), "utf8")).toBe(`${github.appId}\n`);
    for (const name of ["private-key", "github-webhook-secret"]) {
      expect((await stat(join(secrets, name))).mode & 0o777).toBe(0o600);
    }
    expect(status.text + first.text).not.toContain(github.webhookSecret);

    github.registration.installed.push({ account: "alice", permissions: granted });
    github.hook.note({ zen: "x" }, { event: "ping" });
    const last = await browser.open("/status");
    expect(last.text).toContain("alice");
    expect(last.text).toContain("All is well");
    await pages.done;
  });

  test("an App whose events no permission backs is refused by GitHub: ours is none", async () => {
    const browser = await openPages();
    await browser.open(pages.address);
    const { action, manifest } = formOf((await browser.open("/prepare", wish)).text);
    const fewer = manifest.replace(',"issues":"read"', "");
    const refused = await browser.open(action, { manifest: fewer });
    expect([refused.status, refused.text]).toEqual([422, expect.stringMatching(/permissions: issue_comment$/)]);
    expect((await browser.open(action, { manifest })).status).toBe(200);
  });

  test("an organization's App is made on its page", async () => {
    const browser = await openPages();
    await browser.open(pages.address);
    const { action } = formOf((await browser.open("/prepare", { ...wish, organization: "my-company" })).text);
    expect(action).toMatch(new RegExp(`^${github.url}/organizations/my-company/settings/apps/new\\?state=`));
  });

  test.for([
    [{ publicUrl: "nonsense" }, "has to begin with https://"],
    [{ publicUrl: "https://user:pass@host" }, "has to begin with https://"],
    [{ name: "" }, "1 to 34 characters"],
    [{ organization: "../../x" }, "letters, digits and dashes"],
    [{ name: '"><script>alert(1)</script>' }, "&#60;script&#62;"],
  ] as const)("what cannot be is told: %j", async ([more, told]) => {
    const browser = await openPages();
    await browser.open(pages.address);
    const { status, text } = await browser.open("/prepare", { ...wish, ...more });
    expect(text.replaceAll("&#34;", '"')).toContain(told);
    expect(text).not.toContain("<script>");
    if (told !== "&#60;script&#62;") expect(status).toBe(400);
  });
});

describe("W17 the App's credentials cannot be replaced by", () => {
  const begin = async () => {
    const browser = await openPages();
    await browser.open(pages.address);
    return { browser, ...formOf((await browser.open("/prepare", wish)).text) };
  };
  const isUntouched = async () => expect(await readFile(join(secrets, "private-key"), "utf8").catch(() => "")).toBe("");
  const code = () => {
    const made = "0123456789abcdef";
    github.registration.codes.set(made, {
      hook_attributes: { url: "https://evil.example.com" },
      redirect_url: "",
      default_permissions: {},
      default_events: [],
    });
    return made;
  };

  test("another browser, even with the address of the terminal once that was used", async () => {
    await begin();
    const other = createBrowser(new URL(pages.address).origin);
    for (const path of ["/", pages.address, "/status", `/created?code=${code()}&state=x`]) {
      expect((await other.open(path)).status).toBe(403);
    }
    await isUntouched();
  });

  test("a state that is not that of the last form, or none", async () => {
    const { browser } = await begin();
    for (const state of ["", "&state=", `&state=${"x".repeat(43)}`, "&state=a&state=b"]) {
      expect((await browser.open(`/created?code=${code()}${state}`)).status).toBe(403);
    }
    await isUntouched();
  });

  test("a state that was used, right or wrong", async () => {
    const { browser, action } = await begin();
    const { searchParams } = new URL(action);
    await browser.open(`/created?code=${code()}&state=wrong`);
    expect((await browser.open(`/created?code=${code()}&state=${searchParams.get("state")}`)).status).toBe(403);
    await isUntouched();
  });

  test("a second run through the pages", async () => {
    const { browser, action, manifest } = await begin();
    await browser.open(action, { manifest });
    const before = await readFile(join(secrets, "private-key"), "utf8");
    expect((await browser.open("/prepare", wish)).status).toBe(403);
    expect((await browser.open(`/created?code=${code()}&state=x`)).status).toBe(403);
    expect(await readFile(join(secrets, "private-key"), "utf8")).toBe(before);
  });

  test("a page under another name of this machine", async () => {
    await openPages();
    const { port } = new URL(pages.address);
    const response = await fetch(`http://localhost:${port}/`, { redirect: "manual" }).catch(() => undefined);
    expect(response?.status ?? 403).toBe(403);
  });

  test("a code that GitHub does not know", async () => {
    const { browser, action } = await begin();
    const { searchParams } = new URL(action);
    const { status, text } = await browser.open(`/created?code=unknown&state=${searchParams.get("state")}`);
    expect([status, text]).toEqual([502, expect.stringContaining("GitHub answered 404")]);
    await isUntouched();
  });
});

describe("of-builder setup with an App", () => {
  beforeEach(async () => {
    await mkdir(secrets, { recursive: true });
    await writeFile(join(secrets, "private-key"), github.privateKeyPem);
    await writeFile(join(secrets, "github-webhook-secret"), github.webhookSecret);
    Object.assign(github.registration, { permissions: granted, events: appEvents });
    github.registration.hook = { url: "https://builder.example.com/github-event", content_type: "json" };
    github.registration.installed = [{ account: "alice", permissions: granted }];
  });

  const examine = async (more: Record<string, string> = {}) => {
    const config = configured({ github_app_id: github.appId, ...more });
    const { moved, findings } = await examineApp({ config, log: quiet, signal });
    return {
      moved,
      told: Object.fromEntries(
        findings.map(({ what, state, lines, fix }) => [what, `${state}: ${[...lines, fix].join(" | ")}`]),
      ),
    };
  };

  test("finds nothing missing where all is there", async () => {
    const { moved, told } = await examine();
    expect(moved).toBe("");
    expect(told).toEqual({
      Credentials: expect.stringMatching(/^good: App 12345/),
      "GitHub knows the App": expect.stringMatching(/^good: /),
      "The webhook's address": "good: https://builder.example.com/github-event | ",
      "Where it is installed": "good: alice | ",
      "Deliveries arrive": expect.stringMatching(/^doubtful: GitHub has tried none yet/),
    });
  });

  test("moves the webhook to the public address, once", async () => {
    expect((await examine({ public_url: "https://new.example.com" })).moved).toBe(
      "https://builder.example.com/github-event",
    );
    expect(github.registration.hook).toMatchObject({
      url: "https://new.example.com/github-event",
      content_type: "json",
    });
    expect((await examine({ public_url: "https://new.example.com" })).moved).toBe("");
  });

  test("names the permissions and events that are missing, and who has not agreed", async () => {
    const { checks: _, ...less } = granted;
    Object.assign(github.registration, { permissions: less, events: ["push"] });
    github.registration.installed = [
      { account: "bob", permissions: less },
      { account: "carol", permissions: granted, suspended: true },
    ];
    const { told } = await examine();
    expect(told["GitHub knows the App"]).toMatch(/^doubtful: .*it lacks: permission checks: write, event pull_request/);
    expect(told["Where it is installed"]).toMatch(
      /^doubtful: bob: its owner has not agreed to checks: write \| carol: suspended/,
    );
  });

  test("looks at all accounts that it is installed on, also beyond GitHub's page of a hundred", async () => {
    const accounts = Array.from({ length: 201 }, (_, at) => `account-${at}`);
    github.registration.installed = accounts.map((account) => ({
      account,
      permissions: granted,
      suspended: account === "account-200",
    }));
    const { told } = await examine();
    expect(told["Where it is installed"]).toMatch(/^doubtful: .*account-200: suspended/);
  });

  test("a key of another App is said before anything else, and nothing is asked with it further", async () => {
    const other = parts.use(await startGithubServer());
    await writeFile(join(secrets, "private-key"), other.privateKeyPem);
    const { told } = await examine();
    expect(Object.keys(told)).toEqual(["Credentials", "GitHub knows the App"]);
    expect(told["GitHub knows the App"]).toMatch(/^wrong: GitHub answered 401/);
  });

  test("what is missing of the credentials is named", async () => {
    await writeFile(join(secrets, "private-key"), "");
    expect((await examine()).told).toEqual({
      Credentials:
        "wrong: missing: the secret private-key | Run of-builder setup, or set them by hand: docs/github.md.",
    });
  });
});
