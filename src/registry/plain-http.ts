import { sendHttp } from "./http-request.ts";
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
  const speaksPlain = () => statusOf(`http://${host}`, signal).then(isPlainAnswer);
  const speaksTls = () => statusOf(`https://${host}`, signal).then((status) => status !== undefined);
  // Nobody is on the way to this machine itself: what answers there in the clear need not be asked for more.
  const isPlain = isLoopback(host) ? await speaksPlain() : !(await speaksTls()) && (await speaksPlain());
  signal.throwIfAborted();
  return isPlain;
}

/** A server that speaks TLS answers whoever does not with 400. */
function isPlainAnswer(status: number | undefined): boolean {
  return status !== undefined && status !== 400;
}

/** 0 where a certificate is not trusted: that is an answer, too. */
async function statusOf(origin: string, signal: AbortSignal): Promise<number | undefined> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  try {
    const answer = await sendHttp(new URL(`${origin}/v2/`), { method: "GET", signal: limited });
    answer.discard();
    return answer.status;
  } catch (error) {
    return isCertificateFault(error) ? 0 : undefined;
  }
}

function isCertificateFault(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code);
}
