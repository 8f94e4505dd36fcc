/**
 * What git sees of the world. A repository, its server and the machine's own settings are all kept from deciding what
 * runs: no system or user configuration, no inherited GIT_* variable, no home folder, no prompt, no hook, no template,
 * no submodule, no filter (drivers exist only in configuration, and there is none but this), no redirect to another
 * host, no bundle from another place, no transport but the allowed ones. Objects are checked as they arrive.
 */

export interface GitWorld {
  /** An empty folder. */
  readonly home: string;
  /** The transports that may be spoken, such as `https`. */
  readonly protocols: readonly string[];
  /** The process's environment, of which only the way to programs, proxies and certificates is taken over. */
  readonly inherited: Readonly<Record<string, string | undefined>>;
  /** A token for everything at this origin. */
  readonly credentials?: { readonly origin: string; readonly token: string };
}

const inheritable = [
  "PATH",
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "no_proxy",
  "NO_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
];

const configuration: readonly (readonly [key: string, value: string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.protectHFS", "true"],
  ["core.protectNTFS", "true"],
  ["core.autocrlf", "false"],
  ["core.fsync", "none"],
  ["advice.detachedHead", "false"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["submodule.recurse", "false"],
  ["fetch.recurseSubmodules", "false"],
  ["transfer.bundleURI", "false"],
  ["fetch.fsckObjects", "true"],
  // Old tools wrote trees that are odd and harmless, and GitHub keeps them.
  ["fetch.fsck.zeroPaddedFilemode", "ignore"],
  ["fetch.fsck.badTimezone", "ignore"],
  // One pack whatever its size: what arrives can be weighed in one place.
  ["fetch.unpackLimit", "1"],
  ["http.followRedirects", "false"],
  // A server that sends less than 1 kB/s for a minute is not sending.
  ["http.lowSpeedLimit", "1000"],
  ["http.lowSpeedTime", "60"],
];

/** Answers the complete environment of a git process. A token is in here only: never in arguments or addresses. */
export function gitEnvironment({ home, protocols, inherited, credentials }: GitWorld): Record<string, string> {
  const header = credentials && [
    [`http.${credentials.origin}/.extraHeader`, `Authorization: Basic ${basicAuth(credentials.token)}`] as const,
  ];
  const settings = [...configuration, ...(header ?? [])];
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    ...Object.fromEntries(inheritable.flatMap((name) => (inherited[name] ? [[name, inherited[name]]] : []))),
    HOME: home,
    XDG_CONFIG_HOME: home,
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_NO_LAZY_FETCH: "1",
    GIT_LFS_SKIP_SMUDGE: "1",
    GIT_ALLOW_PROTOCOL: protocols.join(":"),
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key, value], index) => [
        [`GIT_CONFIG_KEY_${index}`, key],
        [`GIT_CONFIG_VALUE_${index}`, value],
      ]),
    ),
  };
}

/** The form in which GitHub takes an installation token over git's HTTP. */
export function basicAuth(token: string): string {
  return Buffer.from(`x-access-token:${token}`).toString("base64");
}
