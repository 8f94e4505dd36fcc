import type { ServiceError } from "@grpc/grpc-js";
import { BuilderError, messageOf } from "../errors.ts";
import type { CallEnd } from "./calls.ts";
import { status } from "./grpc-status.ts";

interface Advice {
  readonly pattern: RegExp;
  /** @param daemon what should answer there: "buildkitd" or "the Docker engine" */
  readonly fix: (daemon: string) => string;
}

/** What keeps people from their daemon, by the words of the system or the transport, and what they can do. */
const advice: readonly Advice[] = [
  { pattern: /ECONNREFUSED/u, fix: (daemon) => `Nothing listens there: start ${daemon}, or correct the address.` },
  { pattern: /ENOENT/u, fix: (daemon) => `There is no such socket: start ${daemon}, or correct the address.` },
  {
    pattern: /EACCES|EPERM/u,
    fix: () => "This user may not open the socket: give it the right (its group, often), or run as one who may.",
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN|Name resolution|name has no address/u,
    fix: () => "The host's name is not known here: correct the address.",
  },
  {
    pattern: /EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|no connection came about/u,
    fix: () => "There is no way to the host: check the network, firewalls and the address.",
  },
  {
    pattern: /[Dd]eadline|nothing was heard/u,
    fix: (daemon) =>
      `It takes connections and does not answer: look at ${daemon}'s log, and restart it where it hangs.`,
  },
  {
    pattern: /ECONNRESET|EPIPE|hang up|closed|has ended|was aborted|going away/iu,
    fix: (daemon) => `The connection broke off: see whether ${daemon} was restarted or killed (memory), and try again.`,
  },
  {
    pattern: /CERT_HAS_EXPIRED|certificate has expired|not yet valid/iu,
    fix: () => "Renew the daemon's certificate, and see that both clocks are right.",
  },
  {
    pattern: /certificate|self-signed|altnames|ALERT|alert/u,
    fix: () =>
      "Correct the TLS settings: who signs the daemon's certificate, its name, and the certificate that it is shown.",
  },
  {
    pattern: /wrong version number|packet length too long|EPROTO/u,
    fix: () => "What answers there does not speak TLS: correct the address, or leave the TLS settings out.",
  },
  {
    pattern: /Protocol error|Parse Error|PROTOCOL_ERROR|HTTP status code/u,
    fix: (daemon) => `What answers there is not ${daemon}: correct the address.`,
  },
  {
    pattern: /a Docker engine with BuildKit was expected/u,
    fix: () => "Correct the address, or update the Docker engine: BuildKit came with 18.09.",
  },
];

/** Says that the daemon cannot be reached, or no more. */
export function describeUnreachable(address: string, cause: unknown): BuilderError {
  const reason = plainReason(messageOf(cause));
  const daemon = address.startsWith("docker:") ? "the Docker engine" : "buildkitd";
  const fix = advice.find(({ pattern }) => pattern.test(reason))?.fix(daemon);
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
    .replace(/ \(\d{4}-[0-9TZ:.-]+\)$/u, "")
    .replace(
      /^Deadline exceeded after ([\d.]+)s.*$/su,
      (_, time) => `nothing was heard for ${Math.round(Number(time))} s`,
    );
}

/**
 * Says a failed call whose fault is the way to the daemon and not what was asked of it; undefined for all others.
 * What the daemon itself says comes with details, what the transport says does not.
 */
export function describeTransport(address: string, end: CallEnd): BuilderError | undefined {
  if (end.details !== undefined) return undefined;
  const cause = new Error(end.message);
  switch (end.code) {
    case status.UNAVAILABLE:
    case status.CANCELLED:
    case status.DEADLINE_EXCEEDED:
      return describeUnreachable(address, cause);
    case status.UNIMPLEMENTED:
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return new BuilderError("buildkit_refused", `BuildKit at "${address}" refuses: ${end.message}`, { cause });
    default:
      return undefined;
  }
}

/** How a call of grpc-js has ended. */
export function endOf({ code, details: message, metadata }: ServiceError): CallEnd {
  const [details] = metadata?.get("grpc-status-details-bin") ?? [];
  return { code, message, details: Buffer.isBuffer(details) ? details : undefined };
}

/** Says that the caller's signal has aborted: in the words of its reason, where that is a known fault. */
export function describeAbort(signal: AbortSignal): BuilderError {
  const { reason } = signal;
  if (reason instanceof BuilderError) return reason;
  return new BuilderError("build_cancelled", "the build was cancelled", { cause: reason });
}
