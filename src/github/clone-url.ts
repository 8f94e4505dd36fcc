import { BuilderError } from "../errors.ts";
import { checkName } from "../model/git-names.ts";

/**
 * The address that a push is fetched from. An event could name any address inside our network, so the address is made
 * anew from the host that `apiUrl` stands for and the checked names:
 * `https://api.github.com` stands for `https://github.com`, GitHub Enterprise Server's `https://HOST/api/v3` for
 * `https://HOST`, anything else for its own origin.
 * @param apiUrl the setting `github_api_url`
 * @param allowLoopback where `apiUrl` itself is on the loopback: take the event's own address if that is on the
 *   loopback too. For development and tests, whose git server is another one than their GitHub.
 * @throws BuilderError `name_invalid`, `setting_invalid`
 */
export function cloneUrlOf(
  push: { readonly owner: string; readonly repository: string; readonly cloneUrl: string },
  { apiUrl, allowLoopback }: { apiUrl: string; allowLoopback: boolean },
): string {
  const host = gitHostOf(apiUrl);
  if (allowLoopback && isLoopback(host) && URL.canParse(push.cloneUrl)) {
    const given = new URL(push.cloneUrl);
    if (isLoopback(given) && given.username === "" && given.password === "") return given.href;
  }
  return `${host.origin}/${checkName("owner", push.owner)}/${checkName("repository", push.repository)}.git`;
}

/**
 * Address of GitHub's own pages, without a slash at its end.
 * @throws BuilderError `setting_invalid`
 */
export function webUrlOf(apiUrl: string): string {
  return gitHostOf(apiUrl).origin;
}

function gitHostOf(apiUrl: string): URL {
  if (!URL.canParse(apiUrl)) {
    throw new BuilderError("setting_invalid", `github_api_url "${apiUrl}" is not an address`);
  }
  const url = new URL(apiUrl);
  const cloud = /^api\.(github\.com|[a-z0-9-]+\.ghe\.com)$/.exec(url.hostname)?.[1];
  return cloud === undefined ? new URL(url.origin) : new URL(`${url.protocol}//${cloud}`);
}

function isLoopback({ protocol, hostname }: URL): boolean {
  return ["http:", "https:"].includes(protocol) && /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])$/.test(hostname);
}
