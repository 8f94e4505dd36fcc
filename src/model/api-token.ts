import { createHash, timingSafeEqual } from "node:crypto";

/*
 * Tokens of the API. A server keeps none of them: a line of its secret file api-tokens is NAME SCOPES OWNER sha256:HEX,
 * such as "ci read,write alice sha256:9f86…", with * for all owners. A token has 256 random bits, so that a plain hash
 * of it gives nothing away. Lines that begin with # are remarks.
 */

export const tokenScopes = ["read", "write"] as const;
export type TokenScope = (typeof tokenScopes)[number];

/** What a token is good for. */
export interface TokenGrant {
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  /** The one owner, in lower case, whose pushes it reaches; absent: all. */
  readonly owner?: string;
}

interface TokenLine extends TokenGrant {
  readonly hash: Buffer;
}

const linePattern =
  /^(?<name>[\w.-]{1,64})\s+(?<scopes>[a-z,]+)\s+(?<owner>\*|[\w.-]{1,100})\s+sha256:(?<hash>[0-9a-f]{64})$/;

/**
 * Finds what a token is good for; every line is compared, in a time that tells nothing of it.
 * @param text the file's; lines that are none of ours let nobody in
 */
export function findGrant(text: string, token: string): TokenGrant | undefined {
  const hash = hashOf(token);
  const fitting = parseLines(text).filter((line) => timingSafeEqual(line.hash, hash));
  const [found] = fitting;
  if (!found) return undefined;
  const { hash: _, ...grant } = found;
  return grant;
}

/** Names of the tokens in a file. */
export function tokenNames(text: string): readonly string[] {
  return parseLines(text).map(({ name }) => name);
}

/** The line that a file needs to let a token in. */
export function tokenLine(token: string, { name, scopes, owner }: TokenGrant): string {
  return `${name} ${scopes.join(",")} ${owner ?? "*"} sha256:${hashOf(token).toString("hex")}`;
}

/** Whether a line of this grant could be read again. */
export function isGrant(grant: TokenGrant): boolean {
  return linePattern.test(tokenLine("", grant)) && grant.scopes.length > 0;
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function parseLines(text: string): readonly TokenLine[] {
  return text.split("\n").flatMap((line) => {
    const { name = "", scopes = "", owner = "", hash = "" } = linePattern.exec(line.trim())?.groups ?? {};
    if (name === "") return [];
    const known = tokenScopes.filter((scope) => scopes.split(",").includes(scope));
    return [
      {
        name,
        scopes: known,
        ...(owner !== "*" && { owner: owner.toLowerCase() }),
        hash: Buffer.from(hash, "hex"),
      },
    ];
  });
}
