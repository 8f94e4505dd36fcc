import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { startChild } from "../../src/parts/child.ts";
import { findProgram } from "../../src/parts/find-program.ts";
import { freePort } from "../../src/parts/free-port.ts";
import type { TokenServer } from "./token-server.ts";

/** The account of a registry that asks for one. The password has a colon: only the first one parts it from the name. */
export const account = { username: "alex", password: "s3cret:with colon", identityToken: "the-identity-token" };
/** bcrypt of the account's password. */
const htpasswd = "alex:$2b$05$abcdefghijklmnopqrstuuOb/B27OpVc3Bt3QXIepIr2DUn/DCZNi\n";

/** A real registry that lets nobody in without the account: by password (Basic), or by tokens of a service. */
export async function startAuthRegistry(
  folder: string,
  tokens?: TokenServer,
): Promise<AsyncDisposable & { readonly host: string }> {
  const binary = await findProgram("registry", { path: process.env.PATH ?? "", first: [resolve(".tools/bin")] });
  await mkdir(folder, { recursive: true });
  const host = `127.0.0.1:${await freePort()}`;
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "images") }, delete: { enabled: true } },
    http: { addr: host },
    auth: tokens === undefined ? await basicAuth(folder) : await tokenAuth(folder, tokens),
  };
  const file = join(folder, "registry.json");
  await writeFile(file, JSON.stringify(config));
  const child = await startChild(
    {
      name: "registry",
      command: "env",
      args: ["OTEL_TRACES_EXPORTER=none", binary ?? "registry", "serve", file],
      folder,
      logFile: join(folder, "registry.log"),
    },
    {
      answers: async (signal) => (await fetch(`http://${host}/v2/`, { signal })).status === 401,
      limitMs: 30_000,
      signal: AbortSignal.timeout(60_000),
    },
  );
  tokens?.serve(host);
  return { host: tokens?.host ?? host, [Symbol.asyncDispose]: child.stop };
}

async function basicAuth(folder: string): Promise<object> {
  const path = join(folder, "htpasswd");
  await writeFile(path, htpasswd);
  return { htpasswd: { realm: "here", path } };
}

async function tokenAuth(folder: string, { realm, issuer, service, keys }: TokenServer): Promise<object> {
  const jwks = join(folder, "jwks.json");
  await writeFile(jwks, JSON.stringify(keys));
  return { token: { realm, issuer, service, jwks, signingalgorithms: ["ES256"] } };
}
