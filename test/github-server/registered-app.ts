/** What GitHub has written down of the App, and what a person at its pages may do with it. */
export interface Registration {
  readonly appId: string;
  readonly privateKeyPem: string;
  readonly webhookSecret: string;
  /** Of the App's page. */
  readonly pageUrl: string;
  hook: { url?: string; content_type?: string };
  permissions: Readonly<Record<string, string>>;
  events: readonly string[];
  /** Accounts that the App is installed on, with the permissions that their owners agreed to. */
  installed: { account: string; permissions: Readonly<Record<string, string>>; suspended?: boolean }[];
  /** Manifests by the codes that browsers were given; each is good once. */
  readonly codes: Map<string, Manifest>;
}

export interface Manifest {
  readonly hook_attributes: { readonly url: string };
  readonly redirect_url: string;
  readonly default_permissions: Readonly<Record<string, string>>;
  readonly default_events: readonly string[];
}

/** Writes an App down that is installed nowhere and has no webhook. */
export function createRegistration(app: Pick<Registration, "appId" | "privateKeyPem" | "webhookSecret">): Registration {
  const pageUrl = "https://github.com/apps/of-builder";
  return { ...app, pageUrl, hook: {}, permissions: {}, events: [], installed: [], codes: new Map() };
}
