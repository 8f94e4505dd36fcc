import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { messageOf } from "../errors.ts";
import { describeUnreachable } from "./call-error.ts";
import type { TlsFiles } from "./tls-files.ts";

/** One daemon as a pool knows it. */
export interface DaemonAddress {
  /** What it is told apart by, and connected to. */
  readonly address: string;
  /** The name that it was found by, which its certificate is for. */
  readonly serverName: string | undefined;
}

/** Finds the addresses of a host name. */
export type LookUp = (host: string) => Promise<readonly string[]>;

/**
 * Turns the addresses of a pool into those of its daemons: a host name stands for as many as it has addresses, as the
 * name of a Kubernetes service without an address of its own does. Where a name has IPv4 addresses its IPv6 addresses
 * are left out: they are most often the same daemons.
 * @throws BuilderError `buildkit_unreachable` where a name has no address
 */
export async function findDaemons(
  addresses: readonly string[],
  { lookUp = lookUpHost }: { lookUp?: LookUp | undefined } = {},
): Promise<readonly DaemonAddress[]> {
  const found = await Promise.all(addresses.map((address) => expand(address, lookUp)));
  return [...new Map(found.flat().map((daemon) => [daemon.address, daemon])).values()];
}

/** What a connection to a daemon takes: where no name is set, its certificate is for the one that it was found by. */
export function tlsOf({ serverName }: DaemonAddress, tls: TlsFiles | undefined): TlsFiles | undefined {
  return tls && { ...tls, serverName: tls.serverName ?? serverName };
}

/** Whether an address is that of one daemon for ever, and nobody has to be asked for it. */
export function isFixed(address: string): boolean {
  return nameIn(address) === undefined;
}

async function expand(address: string, lookUp: LookUp): Promise<readonly DaemonAddress[]> {
  const host = nameIn(address);
  if (host === undefined) return [{ address, serverName: undefined }];
  const { port } = new URL(address);
  try {
    const found = await lookUp(host);
    return found.map((ip) => ({
      address: `tcp://${isIP(ip) === 6 ? `[${ip}]` : ip}:${port}`,
      serverName: host,
    }));
  } catch (cause) {
    throw describeUnreachable(address, new Error(`its name has no address: ${messageOf(cause)}`, { cause }));
  }
}

/** The host name of an address that has one. */
function nameIn(address: string): string | undefined {
  const url = new URL(address);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return url.protocol === "tcp:" && isIP(host) === 0 && host !== "localhost" ? host : undefined;
}

async function lookUpHost(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  const first = found.filter(({ family }) => family === 4);
  return (first.length > 0 ? first : found).map(({ address }) => address);
}
