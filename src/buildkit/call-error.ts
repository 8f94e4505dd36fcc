import { type ServiceError, status } from "@grpc/grpc-js";
import { BuilderError, messageOf } from "../errors.ts";

/** Says that the daemon cannot be reached, or no more. */
export function describeUnreachable(address: string, cause: unknown): BuilderError {
  return new BuilderError("buildkit_unreachable", `BuildKit at "${address}" does not answer: ${messageOf(cause)}`, {
    cause,
  });
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
