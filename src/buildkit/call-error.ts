import { type ServiceError, status } from "@grpc/grpc-js";
import { BuilderError, messageOf } from "../errors.ts";

/** What keeps people from their daemon, by the words of the system or the transport, and what they can do. */
const advice: readonly { readonly pattern: RegExp; readonly fix: string }[] = [
  { pattern: /ECONNREFUSED/u, fix: "Nothing listens there: start buildkitd, or correct the address." },
  { pattern: /ENOENT/u, fix: "There is no such socket: start buildkitd, or correct the address." },
  { pattern: /EACCES|EPERM/u, fix: "This user may not open the socket: give it the right, or run as one who may." },
  { pattern: /ENOTFOUND|EAI_AGAIN|Name resolution/u, fix: "The host's name is not known here: correct the address." },
  {
    pattern: /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/u,
    fix: "There is no way to the host: check the network and firewalls.",
  },
  {
    pattern: /[Dd]eadline|nothing was heard/u,
    fix: "It takes connections and does not answer: look at buildkitd's log, and start it again where it hangs.",
  },
  {
    pattern: /certificate|self-signed|altnames|ALERT|alert/u,
    fix: "Correct the TLS settings: who signs the daemon's certificate, its name, and the certificate that it is shown.",
  },
  {
    pattern: /wrong version number|packet length too long|EPROTO/u,
    fix: "What answers there does not speak TLS: correct the address, or leave the TLS settings out.",
  },
  {
    pattern: /Protocol error|Parse Error|PROTOCOL_ERROR/u,
    fix: "What answers there is no buildkitd: correct the address.",
  },
];

/** Says that the daemon cannot be reached, or no more. */
export function describeUnreachable(address: string, cause: unknown): BuilderError {
  const reason = plainReason(messageOf(cause));
  const fix = advice.find(({ pattern }) => pattern.test(reason))?.fix;
  return new BuilderError("buildkit_unreachable", `BuildKit at "${address}" does not answer: ${reason}`, {
    cause,
    ...(fix !== undefined && { fix }),
  });
}

/** Says that a daemon is spoken to without the TLS that it speaks. */
export function describeMissingTls(address: string, cause: unknown): BuilderError {
  return new BuilderError("buildkit_refused", `what answers at "${address}" speaks TLS, and is spoken to without`, {
    cause,
    fix: "Give the TLS settings (buildkit_tls_ca, buildkit_tls_cert, buildkit_tls_key), or correct the address.",
  });
}

/** What went wrong, without the transport's own story around it. */
function plainReason(text: string): string {
  return text
    .replace(/^No connection established\. Last error: (?:Error: )?/u, "")
    .replace(/\.? ?(?:\([0-9TZ:.-]+\)\. ?)?Resolution note: *$/u, "")
    .replace(/ \(\d{4}-[0-9TZ:.-]+\)$/u, "");
}

/**
 * Says a failed call whose fault is the way to the daemon and not what was asked of it; undefined for all others.
 * What the daemon itself says comes with details, what the transport says does not.
 */
export function describeTransport(address: string, error: ServiceError): BuilderError | undefined {
  if ((error.metadata?.get("grpc-status-details-bin").length ?? 0) > 0) return undefined;
  switch (error.code) {
    case status.UNAVAILABLE:
    case status.CANCELLED:
    case status.DEADLINE_EXCEEDED:
      return describeUnreachable(address, new Error(error.details, { cause: error }));
    case status.UNIMPLEMENTED:
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return new BuilderError("buildkit_refused", `BuildKit at "${address}" refuses: ${error.details}`, {
        cause: error,
      });
    default:
      return undefined;
  }
}

/** Says that the caller's signal has aborted: in the words of its reason, where that is a known fault. */
export function describeAbort(signal: AbortSignal): BuilderError {
  const { reason } = signal;
  if (reason instanceof BuilderError) return reason;
  return new BuilderError("build_cancelled", "the build was cancelled", { cause: reason });
}
