import { isLoopback } from "./reference.ts";

const limitMs = 5000;

/**
 * Decides whether a registry is spoken to over plain HTTP.
 *
 * A setting decides where there is one. Else it is a registry that answers nothing but plain HTTP, and that either is
 * on this machine or has no credentials stored for it: then somebody on the way who blocks https gains nothing that
 * was not open anyway.
 * @param host host and port
 * @param setting undefined = find out
 * @returns false, too, where nobody answers at all
 */
export async function speaksPlainHttp(
  host: string,
  { setting, hasCredentials, signal }: { setting: boolean | undefined; hasCredentials: boolean; signal: AbortSignal },
): Promise<boolean> {
  if (setting !== undefined) return setting;
  if (hasCredentials && !isLoopback(host)) return false;
  return !(await answers(`https://${host}`, signal)) && (await answers(`http://${host}`, signal));
}

/** A certificate that we do not trust is an answer too: that registry speaks TLS. */
async function answers(origin: string, signal: AbortSignal): Promise<boolean> {
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const answer = await fetch(`${origin}/v2/`, { redirect: "manual", signal: limited });
    await answer.body?.cancel();
    return true;
  } catch (error) {
    signal.throwIfAborted();
    return isCertificateFault(error);
  }
}

function isCertificateFault(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code);
}
