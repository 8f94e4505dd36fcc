import type { GithubApp } from "../github/app.ts";
import { webhookUrlOf } from "../model/app-manifest.ts";

/**
 * Has GitHub deliver to this server, where it delivers elsewhere.
 * @returns the address that it was; "" where nothing had to be changed
 * @throws BuilderError as the App's registration does
 */
export async function keepHook(
  publicUrl: string,
  { app, signal }: { app: GithubApp; signal: AbortSignal },
): Promise<string> {
  const wanted = webhookUrlOf(publicUrl);
  const { url, contentType } = await app.registration.readHook({ signal });
  if (url === wanted && contentType === "json") return "";
  await app.registration.moveHook(wanted, { signal });
  return url || "nowhere";
}
