/** GitHub answers calls of a renamed or moved repository with the place where it is now. */
const redirects = [301, 302, 307, 308];
const maxHops = 3;

/**
 * A fetch that follows GitHub to where a repository is now, with the same method and body: `fetch` by itself makes a GET
 * of a POST that is answered with 301. To another host it does not follow, which would be told the token.
 */
export async function fetchFollowing(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  let url = new URL(input instanceof Request ? input.url : input);
  for (let hop = 0; ; hop++) {
    const response = await fetch(url, { ...init, redirect: "manual" });
    const location = response.headers.get("location");
    if (!redirects.includes(response.status) || location === null) return response;
    await response.body?.cancel();
    const target = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
    if (target?.origin !== url.origin) return refusal(`it redirects to another host, ${target?.host ?? "nowhere"}`);
    if (hop === maxHops) return refusal("it redirects in circles");
    url = target;
  }
}

/** 421 Misdirected Request: it is none of GitHub's answers, and will be the same next time. */
function refusal(message: string): Response {
  return Response.json({ message }, { status: 421 });
}
