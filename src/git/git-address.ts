import { BuilderError } from "../errors.ts";

/**
 * Checks the address of a repository: only the named transports, no credentials in it.
 * @param protocols such as `https`
 * @returns the address without its fragment, and the fragment
 * @throws BuilderError `name_invalid`
 */
export function parseAddress(text: string, protocols: readonly string[]): { url: URL; fragment: string } {
  const url = URL.parse(text);
  const known = url && protocols.includes(url.protocol.slice(0, -1));
  if (!known || url.username !== "" || url.password !== "" || url.pathname.length < 2) {
    const shown = JSON.stringify(text.replace(/\/\/[^/]*@/, "//***@").slice(0, 200));
    const expected = protocols.map((protocol) => `${protocol}://`).join(" or ");
    throw new BuilderError(
      "name_invalid",
      `repository address ${shown} is not accepted: expected ${expected}HOST/PATH`,
      {
        fix: "Correct the address; a token or password never belongs into it.",
      },
    );
  }
  const fragment = decodeFragment(url);
  url.hash = "";
  return { url, fragment };
}

function decodeFragment({ href, hash }: URL): string {
  try {
    return decodeURIComponent(hash.slice(1));
  } catch (cause) {
    throw new BuilderError("name_invalid", `the part after # of "${href.slice(0, 200)}" is not percent-encoded UTF-8`, {
      cause,
      fix: "Correct the address.",
    });
  }
}
