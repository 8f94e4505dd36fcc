import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { exampleOf } from "./openapi.ts";
import { type Answer, type Call, type Operation, refusal, type World } from "./operation.ts";
import type { Manifest, Registration } from "./registered-app.ts";

export const registrationOperations: readonly Operation[] = [
  { method: "GET", path: "/app", handle: asApp(showApp) },
  { method: "GET", path: "/app/hook/config", handle: asApp(showHook) },
  { method: "PATCH", path: "/app/hook/config", handle: asApp(changeHook) },
  { method: "GET", path: "/app/installations", handle: asApp(listInstallations) },
  { method: "POST", path: "/app-manifests/{code}/conversions", handle: convert },
];

/** The permission that an App has to read with for each event, by GitHub's page "Webhook events and payloads". */
const permissionOfEvent: Readonly<Record<string, string>> = {
  check_run: "checks",
  check_suite: "checks",
  issue_comment: "issues",
  pull_request: "pull_requests",
  push: "contents",
  repository: "metadata",
};

/** The page that a browser posts a manifest to: whoever is signed in there agrees at once, and goes back with a code. */
export async function agreeToManifest(
  request: IncomingMessage,
  response: ServerResponse,
  { registration, state }: { registration: Registration; state: string },
): Promise<void> {
  const form = new URLSearchParams(await text(request));
  const manifest = JSON.parse(form.get("manifest") ?? "") as Manifest;
  const unbacked = unbackedEvents(manifest);
  if (unbacked.length > 0) {
    response.writeHead(422).end(`Default events are not supported by permissions: ${unbacked.join(", ")}`);
    return;
  }
  const code = randomBytes(20).toString("hex");
  registration.codes.set(code, manifest);
  const location = `${manifest.redirect_url}?${new URLSearchParams({ code, state })}`;
  response.writeHead(302, { location }).end();
}

function unbackedEvents({ default_events: events, default_permissions: given }: Manifest): readonly string[] {
  return events.filter((event) => given[permissionOfEvent[event] ?? ""] === undefined);
}

function asApp(handle: (call: Call, world: World) => Answer): Operation["handle"] {
  return (call, world) =>
    world.auth.isApp(call.authorization) ? handle(call, world) : refusal(401, "A JSON web token could not be decoded");
}

function appBody({ appId, pageUrl, permissions, events }: Registration) {
  return {
    ...exampleOf("integration"),
    id: Number(appId),
    name: "of-builder",
    slug: "of-builder",
    html_url: pageUrl,
    permissions,
    events,
  };
}

function showApp(_call: Call, { registration }: World): Answer {
  return { status: 200, body: appBody(registration) };
}

function showHook(_call: Call, { registration }: World): Answer {
  return { status: 200, body: { ...registration.hook, insecure_ssl: "0", secret: "********" } };
}

function changeHook({ body }: Call, world: World): Answer {
  world.registration.hook = { ...world.registration.hook, ...body };
  return showHook({} as Call, world);
}

function listInstallations({ query }: Call, { registration }: World): Answer {
  const example = exampleOf("installation");
  const perPage = Math.min(Number(query.get("per_page") ?? 30), 100);
  const start = (Number(query.get("page") ?? 1) - 1) * perPage;
  const body = registration.installed
    .slice(start, start + perPage)
    .map(({ account, permissions, suspended = false }) => ({
      ...example,
      account: { ...(example.account as object), ...enterprise, login: account },
      permissions,
      suspended_at: suspended ? new Date(0).toISOString() : null,
    }));
  return { status: 200, body };
}

/** Here, and only here, GitHub's description wants an account to be both a user and an enterprise. */
const enterprise = { name: "", slug: "", created_at: new Date(0).toISOString(), updated_at: new Date(0).toISOString() };

/** The code is good once. */
function convert({ values }: Call, { registration }: World): Answer {
  const manifest = registration.codes.get(values.code ?? "");
  if (!manifest) return refusal(404, "Not Found");
  registration.codes.delete(values.code ?? "");
  registration.hook = { url: manifest.hook_attributes.url, content_type: "json" };
  registration.permissions = manifest.default_permissions;
  registration.events = manifest.default_events;
  const { privateKeyPem: pem, webhookSecret } = registration;
  const body = {
    ...exampleOf("integration-from-manifest"),
    ...appBody(registration),
    pem,
    webhook_secret: webhookSecret,
  };
  return { status: 201, body };
}
