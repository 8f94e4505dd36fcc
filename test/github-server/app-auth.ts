import { type KeyObject, randomBytes, verify } from "node:crypto";

export interface TokenScope {
  readonly installationId: string;
  /** Absent: all of the installation. */
  readonly repositoryIds: readonly string[] | undefined;
  readonly permissions: Readonly<Record<string, string>>;
}

export interface IssuedToken extends TokenScope {
  readonly text: string;
  readonly expiresAt: Date;
}

const levels = ["read", "write"];

/** What GitHub knows of one App: its public key, and the tokens that its installations were given. */
export function createAppAuth({ appId, publicKey }: { appId: string; publicKey: KeyObject }) {
  const issued = new Map<string, IssuedToken>();
  const good = (token = "") => {
    const known = issued.get(token);
    return known && known.expiresAt.getTime() > Date.now() ? known : undefined;
  };
  return {
    /** Whether tokens have the form of 2026: `ghs_APP_JWT`, of some 520 characters. */
    isStateless: false,
    /** How long tokens are good that are given from now on. */
    lifeMs: 3600_000,
    /** Whether an Authorization header is a fresh JWT that the App has signed. */
    isApp(header: string | undefined): boolean {
      const jwt = /^bearer (\S+)$/i.exec(header ?? "")?.[1];
      return jwt !== undefined && isFreshJwt(jwt, appId, publicKey);
    },
    issue(scope: TokenScope): IssuedToken {
      const token = {
        ...scope,
        text: this.isStateless
          ? `ghs_${appId}_${[90, 180, 96].map((bytes) => randomBytes(bytes).toString("base64url")).join(".")}`
          : `ghs_${randomBytes(18).toString("base64url").replaceAll(/[-_]/g, "x")}`,
        expiresAt: new Date(Date.now() + this.lifeMs),
      };
      issued.set(token.text, token);
      return token;
    },
    revokeAll: () => issued.clear(),
    /** Those that are good. */
    get tokens(): readonly IssuedToken[] {
      return [...issued.values()];
    },
    /** The installation that a token was given for, while it is good. */
    installationOf: (token: string | undefined) => good(token)?.installationId,
    /** Whether a token exists that reaches a repository with a permission. */
    allows(
      token: string | undefined,
      repository: { readonly id: string; readonly installationId: string },
      [permission, level]: readonly [string, string],
    ): boolean {
      const known = good(token);
      if (known?.installationId !== repository.installationId) return false;
      if (known.repositoryIds && !known.repositoryIds.includes(repository.id)) return false;
      return levels.indexOf(known.permissions[permission] ?? "") >= levels.indexOf(level);
    },
    isKnown: (token: string | undefined) => good(token) !== undefined,
  };
}

/** The token of `Authorization: token X`, `bearer X`, or git's Basic x-access-token:X. */
export function tokenOf(header: string | undefined): string | undefined {
  const [, scheme = "", value = ""] = /^(\w+) (\S+)$/.exec(header ?? "") ?? [];
  if (/^(token|bearer)$/i.test(scheme)) return value;
  const [user, password] = Buffer.from(value, "base64").toString().split(":");
  return user === "x-access-token" ? password : undefined;
}

function isFreshJwt(jwt: string, appId: string, publicKey: KeyObject): boolean {
  const [head = "", payload = "", signature = ""] = jwt.split(".");
  const signed = Buffer.from(`${head}.${payload}`);
  if (!verify("sha256", signed, publicKey, Buffer.from(signature, "base64url"))) return false;
  const { iss, iat, exp } = JSON.parse(Buffer.from(payload, "base64url").toString());
  const now = Date.now() / 1000;
  return String(iss) === appId && iat <= now && exp > now && exp <= now + 600;
}
