import { createHash, generateKeyPairSync, type JsonWebKey, sign } from "node:crypto";
import { type IncomingMessage, type ServerResponse, request as sendRequest } from "node:http";
import { text } from "node:stream/consumers";
import { type HttpServer, startHttpServer } from "./http-server.ts";

/** What was asked for, by whom; "" = nobody. */
export interface TokenRequest {
  readonly user: string;
  readonly scopes: readonly string[];
}

/**
 * A token service as registries name it (distribution's "token authentication"), at the registry's own address: what is
 * not for the service goes on to the registry behind it.
 */
export interface TokenServer extends HttpServer {
  /** Names the registry behind, 127.0.0.1:PORT. */
  serve(registry: string): void;
  readonly realm: string;
  readonly issuer: string;
  readonly service: string;
  /** The key that its tokens are signed with, as a JSON Web Key Set. */
  readonly keys: { readonly keys: readonly JsonWebKey[] };
  readonly requests: readonly TokenRequest[];
}

/**
 * Starts a token service. Its one user is given all that he asks for, and so is whoever shows the identity token; others
 * may pull what lies below "public/".
 */
export async function startTokenServer(account: {
  username: string;
  password: string;
  identityToken: string;
}): Promise<TokenServer> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = publicKey.export({ format: "jwk" });
  const kid = createHash("sha256").update(JSON.stringify(jwk)).digest("hex").slice(0, 16);
  const [issuer, service] = ["test-issuer", "test-registry"];
  const basic = `Basic ${Buffer.from(`${account.username}:${account.password}`).toString("base64")}`;
  const requests: TokenRequest[] = [];

  let registry = "";

  const server = await startHttpServer(async (request, response) => {
    if (!request.url?.startsWith("/token")) return passOn(request, response, registry);
    const form = new URLSearchParams(request.method === "POST" ? await text(request) : "");
    const url = new URL(request.url ?? "", "http://server");
    const scopes = [...url.searchParams.getAll("scope"), ...form.getAll("scope")].flatMap((scope) => scope.split(" "));
    const { authorization } = request.headers;
    const isKnown = authorization === basic || form.get("refresh_token") === account.identityToken;
    const user = isKnown ? account.username : "";
    requests.push({ user, scopes });
    if (authorization !== undefined && !isKnown) return void response.writeHead(401).end();
    const access = scopes.map(parseScope).filter(({ name }) => isKnown || name.startsWith("public/"));
    const now = Math.trunc(Date.now() / 1000);
    const claims = { iss: issuer, sub: user, aud: service, exp: now + 300, nbf: now - 10, iat: now, jti: "1", access };
    const signed = `${encode({ alg: "ES256", typ: "JWT", kid })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    response.end(JSON.stringify({ token: `${signed}.${signature.toString("base64url")}`, expires_in: 300 }));
  });
  const keys = { keys: [{ ...jwk, kid, use: "sig", alg: "ES256" }] };
  const serve = (host: string) => {
    registry = host;
  };
  return { ...server, serve, realm: `http://${server.host}/token`, issuer, service, keys, requests };
}

function passOn(request: IncomingMessage, response: ServerResponse, host: string): void {
  const { method, headers, url } = request;
  const onward = sendRequest(`http://${host}${url}`, { method: method ?? "GET", headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  request.pipe(onward);
}

function parseScope(scope: string): { type: string; name: string; actions: string[] } {
  const [type = "", name = "", actions = ""] = scope.split(":");
  return { type, name, actions: actions.split(",") };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
