import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Paths of PEM files. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Makes an authority that signs certificates. */
export async function createAuthority(folder: string, name: string): Promise<Pair> {
  return makeCertificate(folder, { name, subject: name, extension: "basicConstraints=critical,CA:TRUE" });
}

/**
 * Makes a certificate.
 * @param options.names what it is for, such as "DNS:buildkit.example" or "IP:127.0.0.1"
 */
export async function createCertificate(
  folder: string,
  { name, names, authority }: { name: string; names: readonly string[]; authority: Pair },
): Promise<Pair> {
  const extension = `subjectAltName=${names.join(",")}`;
  return makeCertificate(folder, { name, subject: name, extension, authority });
}

async function makeCertificate(
  folder: string,
  { name, subject, extension, authority }: { name: string; subject: string; extension: string; authority?: Pair },
): Promise<Pair> {
  const pair = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const signer = authority === undefined ? [] : ["-CA", authority.cert, "-CAkey", authority.key];
  const files = ["-keyout", pair.key, "-out", pair.cert];
  await run("openssl", ["req", ...kind, ...signer, "-subj", `/CN=${subject}`, "-addext", extension, ...files]);
  return pair;
}
