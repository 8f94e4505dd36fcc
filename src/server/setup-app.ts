import { randomBytes, timingSafeEqual } from "node:crypto";
import express, { type Express, type Request, type RequestHandler, type Response } from "express";
import { BuilderError, messageOf } from "../errors.ts";
import { appManifest } from "../model/app-manifest.ts";
import { askPage, handOverPage, refusalPage, type SetupFields, type SetupFinding, statusPage } from "./setup-page.ts";

/*
 * GitHub's manifest flow, on a page of one's own machine:
 *
 *   browser  GET /?key=KEY            the address that the terminal shows; good once, binds the browser by a cookie
 *   browser  POST /prepare            answers a form with the manifest, which goes to GitHub with a state
 *   GitHub   GET /created?code&state  through the browser; the code becomes the credentials, once
 *   browser  GET /status              what works and what is missing
 *
 * Whoever could replace the App's credentials would have every push: so every step needs the cookie of the one browser,
 * the state is that of its own last form and good once, and once there are credentials no others are taken.
 */

export interface SetupHands {
  readonly fields: SetupFields;
  /** Of GitHub's pages: "https://github.com". */
  readonly webUrl: string;
  /** Whether there are credentials already. */
  hasCredentials(): Promise<boolean>;
  /** Turns the code into credentials, and stores them. @throws BuilderError */
  takeCode(code: string, fields: SetupFields): Promise<void>;
  check(): Promise<readonly SetupFinding[]>;
}

const cookieName = "of-builder-setup";
const stateLimitMs = 60 * 60 * 1000;
const parseForm = express.urlencoded({ extended: false, limit: 4096 });

/**
 * Creates the pages.
 * @param origin answers where they are, such as "http://127.0.0.1:1234"
 * @returns with the key of the address to open
 */
export function createSetupApp(hands: SetupHands, { origin }: { origin: () => string }): { app: Express; key: string } {
  const key = secretWord();
  const session = secretWord();
  let isKeyUsed = false;
  let pending: { readonly state: string; readonly fields: SetupFields; readonly until: number } | undefined;

  const begin: RequestHandler = (request, response, next) => {
    const given = request.query.key;
    if (given === undefined) return next();
    if (isKeyUsed || !isSame(given, key))
      return refuse(response, "The address is good once. Start of-builder setup again.");
    isKeyUsed = true;
    response.cookie(cookieName, session, { httpOnly: true, sameSite: "lax", path: "/" }).redirect(303, "/");
  };
  const ask: RequestHandler = async (_request, response) => {
    if (await hands.hasCredentials()) response.redirect(303, "/status");
    else response.send(askPage(hands.fields));
  };
  const prepare: RequestHandler = async (request, response) => {
    if (await hands.hasCredentials()) return refuse(response, "There is an App already.");
    const fields = readFields(request);
    const fault = faultOf(fields);
    if (fault !== "") {
      response.status(400).send(askPage(fields, fault));
      return;
    }
    const state = secretWord();
    pending = { state, fields, until: Date.now() + stateLimitMs };
    const owner = fields.organization === "" ? "" : `/organizations/${encodeURIComponent(fields.organization)}`;
    const action = `${hands.webUrl}${owner}/settings/apps/new?state=${state}`;
    const manifest = appManifest({ ...fields, redirectUrl: `${origin()}/created` });
    response.send(handOverPage({ action, manifest }));
  };
  const created: RequestHandler = async (request, response) => {
    const waiting = pending;
    pending = undefined;
    const { code, state } = request.query;
    const isOurs = waiting && isSame(state, waiting.state) && Date.now() < waiting.until;
    if (!isOurs || typeof code !== "string")
      return refuse(response, "This answer belongs to no question of this page.");
    if (await hands.hasCredentials()) return refuse(response, "There is an App already.");
    await hands.takeCode(code, waiting.fields);
    response.redirect(303, "/status");
  };

  const app = express().disable("x-powered-by").disable("etag");
  app.use(protect(hands.webUrl, origin));
  app.get("/", begin);
  app.use((request, response, next) => {
    if (isSame(cookieOf(request), session)) next();
    else refuse(response, "Open the address that of-builder setup shows in the terminal.");
  });
  app.get("/", ask);
  app.post("/prepare", parseForm, prepare);
  app.get("/created", created);
  app.get("/status", async (_request, response) => {
    response.send(statusPage(await hands.check()));
  });
  app.use((_request, response) => refuse(response.status(404), "There is no such page."));
  app.use(tellError);
  return { app, key };
}

/** No other site may frame, script or name this one. */
function protect(webUrl: string, origin: () => string): RequestHandler {
  const policy = `default-src 'none'; style-src 'unsafe-inline'; form-action 'self' ${new URL(webUrl).origin}; frame-ancestors 'none'; base-uri 'none'`;
  return (request, response, next) => {
    response.set({
      "Content-Security-Policy": policy,
      "Cache-Control": "no-store",
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
    });
    if (request.headers.host === new URL(origin()).host) next();
    else refuse(response, "This page has another address.");
  };
}

// biome-ignore lint/complexity/useMaxParams: Express knows an error handler by its four parameters.
function tellError(error: unknown, _request: Request, response: Response, _next: unknown): void {
  const text =
    error instanceof BuilderError ? `${error.message} ${error.fix}` : `of-builder failed: ${messageOf(error)}`;
  response.status(error instanceof BuilderError ? error.http : 500).send(refusalPage(text));
}

function refuse(response: Response, text: string): void {
  if (response.statusCode === 200) response.status(403);
  response.send(refusalPage(text));
}

function readFields(request: Request): SetupFields {
  const body = (request.body ?? {}) as Record<string, unknown>;
  const of = (name: string) => String(body[name] ?? "").trim();
  return { name: of("name"), publicUrl: of("publicUrl").replace(/\/+$/, ""), organization: of("organization") };
}

function faultOf({ name, publicUrl, organization }: SetupFields): string {
  const url = URL.parse(publicUrl);
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== "" || url.username !== "") {
    return "The server's address has to begin with https:// and a name that GitHub can reach.";
  }
  if (name === "" || name.length > 34) return "The App's name has 1 to 34 characters.";
  return /^[A-Za-z0-9-]{0,39}$/.test(organization) ? "" : "An organization's login has letters, digits and dashes.";
}

function cookieOf(request: Request): string | undefined {
  const cookies = (request.headers.cookie ?? "").split(/;\s*/);
  return cookies.find((cookie) => cookie.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
}

function secretWord(): string {
  return randomBytes(32).toString("base64url");
}

function isSame(given: unknown, known: string): boolean {
  const one = Buffer.from(typeof given === "string" ? given : "");
  const other = Buffer.from(known);
  return one.length === other.length && timingSafeEqual(one, other);
}
