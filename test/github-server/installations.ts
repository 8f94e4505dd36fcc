import { createGatekeeper, type Gatekeeper, type Limits } from "./limits.ts";

/** The App in one account. */
export interface Installation {
  readonly id: string;
  /** What it lets the App do; undefined: everything. */
  granted: Readonly<Record<string, "read" | "write">> | undefined;
  suspendedAt: Date | undefined;
  /** GitHub's limits are those of one installation. */
  readonly gatekeeper: Gatekeeper;
}

/** Where the App is installed. */
export interface Installations {
  /** Of every account that has none of its own. */
  readonly common: Installation;
  /** What everybody is held to. */
  limits: Limits;
  /** Calls that were refused because of a limit, each with the reason. */
  readonly refusals: readonly string[];
  /** Installs the App on an account by itself. */
  add(account: string): Installation;
  find(id: string | undefined): Installation | undefined;
  /** The one that an account's repositories belong to. */
  ofAccount(account: string): Installation;
}

export function createInstallations(): Installations {
  const refusals: string[] = [];
  const byId = new Map<string, Installation>();
  const byAccount = new Map<string, Installation>();
  const create = (): Installation => {
    const id = String(1087 + byId.size);
    const gatekeeper = createGatekeeper({ id, limits: () => installations.limits, refusals });
    const installation: Installation = { id, granted: undefined, suspendedAt: undefined, gatekeeper };
    byId.set(id, installation);
    return installation;
  };
  const installations: Installations = {
    common: create(),
    limits: {},
    refusals,
    add(account) {
      const installation = create();
      byAccount.set(account.toLowerCase(), installation);
      return installation;
    },
    find: (id = "") => byId.get(id),
    ofAccount: (account) => byAccount.get(account.toLowerCase()) ?? installations.common,
  };
  return installations;
}
