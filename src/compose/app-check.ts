import type { Config } from "../config.ts";
import type { GithubApp } from "../github/app.ts";
import { parsePrivateKey } from "../github/private-key.ts";
import { appEvents, missingPermissions, webhookUrlOf } from "../model/app-manifest.ts";
import { type Finding, wrongFinding } from "./doctor-finding.ts";
import type { Secrets } from "./secrets.ts";

interface CheckHands {
  readonly secrets: Secrets;
  /** Absent where github_app_id is not set. */
  readonly app: GithubApp | undefined;
  readonly signal: AbortSignal;
}

/**
 * Looks at everything that stands between a push on GitHub and this server: credentials, registration, permissions,
 * webhook, installations, deliveries. What cannot be asked because an earlier step is missing is left out.
 */
export async function checkApp(config: Config, { secrets, app, signal }: CheckHands): Promise<readonly Finding[]> {
  const credentials = await checkCredentials(config, secrets);
  if (!app || credentials.some(({ state }) => state === "wrong")) return credentials;
  const asked = [
    () => checkRegistration(app, signal),
    () => checkHook(config, app, signal),
    () => checkInstallations(app, signal),
    () => checkDeliveries(app, signal),
  ];
  const findings: Finding[] = [...credentials];
  for (const ask of asked) {
    const finding = await ask();
    findings.push(finding);
    // Without a good key GitHub answers nothing else.
    if (finding.what === keyName && finding.state === "wrong") break;
  }
  return findings;
}

const keyName = "GitHub knows the App";

async function checkCredentials({ githubAppId }: Config, secrets: Secrets): Promise<readonly Finding[]> {
  const what = "Credentials";
  const missing = [
    ...(githubAppId === undefined ? ["github_app_id"] : []),
    ...((await secrets("private-key")) === undefined ? ["the secret private-key"] : []),
    ...((await secrets("github-webhook-secret")) === undefined ? ["the secret github-webhook-secret"] : []),
  ];
  if (missing.length > 0) {
    const fix = "Run of-builder setup, or set them by hand: docs/github.md.";
    return [{ what, state: "wrong", lines: [`missing: ${missing.join(", ")}`], fix }];
  }
  try {
    parsePrivateKey((await secrets("private-key")) ?? "");
    return [{ what, state: "good", lines: [`App ${githubAppId}, its key and its webhook's secret are here`], fix: "" }];
  } catch (error) {
    return [wrongFinding(what, error)];
  }
}

async function checkRegistration({ registration }: GithubApp, signal: AbortSignal): Promise<Finding> {
  try {
    const { name, owner, url, permissions, events } = await registration.read({ signal });
    const known = `${name} of ${owner}: ${url}`;
    const missing = [
      ...missingPermissions(permissions).map((permission) => `permission ${permission}`),
      ...appEvents.filter((event) => !events.includes(event)).map((event) => `event ${event}`),
    ];
    if (missing.length === 0) return { what: keyName, state: "good", lines: [known], fix: "" };
    const place = `${url.replace("/apps/", "/settings/apps/")}/permissions`;
    const fix = `Give it what is missing at ${place}, then have each owner agree.`;
    return { what: keyName, state: "doubtful", lines: [known, `it lacks: ${missing.join(", ")}`], fix };
  } catch (error) {
    return wrongFinding(keyName, error);
  }
}

async function checkHook({ publicUrl }: Config, { registration }: GithubApp, signal: AbortSignal): Promise<Finding> {
  const what = "The webhook's address";
  try {
    const { url, contentType } = await registration.readHook({ signal });
    const expected = publicUrl === undefined ? undefined : webhookUrlOf(publicUrl);
    if (url === "") {
      const fix = "Set public_url to this server's address as GitHub reaches it, and run of-builder setup again.";
      return { what, state: "wrong", lines: ["the App has no webhook"], fix };
    }
    if (expected !== undefined && url !== expected) {
      const fix = "Start the server: it changes the address. Or run of-builder setup --url ADDRESS.";
      return { what, state: "wrong", lines: [`GitHub delivers to ${url}, and this server is ${expected}`], fix };
    }
    if (contentType !== "json") {
      const fix = "Set the webhook's content type to application/json, or run of-builder setup --url ADDRESS.";
      return { what, state: "wrong", lines: [`${url} is sent forms`], fix };
    }
    return { what, state: "good", lines: [url], fix: "" };
  } catch (error) {
    return wrongFinding(what, error);
  }
}

async function checkInstallations({ registration }: GithubApp, signal: AbortSignal): Promise<Finding> {
  const what = "Where it is installed";
  try {
    const installed = await registration.installations({ signal });
    if (installed.length === 0) {
      const { url } = await registration.read({ signal });
      return { what, state: "wrong", lines: ["nowhere yet"], fix: `Install it: ${url}/installations/new` };
    }
    const behind = installed.filter(
      ({ isSuspended, permissions }) => isSuspended || missingPermissions(permissions).length > 0,
    );
    const lines = installed.map(({ account, isSuspended, permissions }) => {
      const missing = missingPermissions(permissions);
      const lacks = missing.length === 0 ? "" : `: its owner has not agreed to ${missing.join(", ")}`;
      return isSuspended ? `${account}: suspended` : `${account}${lacks}`;
    });
    const [first] = behind;
    if (!first) return { what, state: "good", lines, fix: "" };
    return { what, state: "doubtful", lines, fix: `Have it mended there: ${first.url}` };
  } catch (error) {
    return wrongFinding(what, error);
  }
}

async function checkDeliveries({ deliveries }: GithubApp, signal: AbortSignal): Promise<Finding> {
  const what = "Deliveries arrive";
  try {
    const { value: newest } = await deliveries.pages({ signal }).next();
    const [last] = newest ?? [];
    if (!last) {
      const fix = "Install the App, or push to a repository that it is installed on.";
      return { what, state: "doubtful", lines: ["GitHub has tried none yet"], fix };
    }
    const line = `${last.event} of ${last.deliveredAt.toISOString()}: ${last.answer}`;
    if (last.arrived) return { what, state: "good", lines: [line], fix: "" };
    const fix = "See that GitHub can reach the webhook's address; what was missed is fetched by the sweep.";
    return { what, state: "wrong", lines: [line], fix };
  } catch (error) {
    return wrongFinding(what, error);
  }
}
