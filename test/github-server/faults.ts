import type { ServerResponse } from "node:http";

/** How GitHub can go wrong. */
export type Fault =
  | {
      readonly kind: "status";
      readonly status: number;
      readonly message?: string;
      readonly headers?: Record<string, string>;
    }
  /** The secondary rate limit: 403 with retry-after. */
  | { readonly kind: "secondary-limit"; readonly retryAfterSeconds: number }
  /** The connection ends without an answer. */
  | { readonly kind: "cut" }
  /** What was asked for is done, and the connection ends without an answer; git's, amid it. */
  | { readonly kind: "lost-answer" }
  /** No answer ever, until the caller leaves. */
  | { readonly kind: "silent" };

export interface PlannedFault {
  readonly fault: Fault;
  /** Whether it hits calls of the API, which it does where absent, or git's. */
  readonly way?: "api" | "git";
  /** Which calls it hits: text that `METHOD /path` contains; absent: the next of its way, whichever. */
  readonly matching?: string;
  readonly times?: number;
}

/** The faults that are still to come, in order. */
export function createFaults() {
  const planned: (Required<Omit<PlannedFault, "times">> & { left: number })[] = [];
  return {
    plan({ fault, way = "api", matching = "", times = 1 }: PlannedFault): void {
      planned.push({ fault, way, matching, left: times });
    },
    next(call: string, asked: "api" | "git" = "api"): Fault | undefined {
      const found = planned.find(({ way, matching, left }) => left > 0 && way === asked && call.includes(matching));
      if (found) found.left--;
      return found?.fault;
    },
  };
}

/** Answers as a fault says; undefined when there is nothing to answer with. */
export async function answerOf(
  fault: Fault,
  { response, answer }: { response: ServerResponse; answer(): Promise<unknown> },
) {
  if (fault.kind === "lost-answer") await answer();
  if (fault.kind === "cut" || fault.kind === "lost-answer") response.destroy();
  if (fault.kind === "cut" || fault.kind === "lost-answer" || fault.kind === "silent") return undefined;
  if (fault.kind === "status") {
    const { status, message = "planned fault", headers = {} } = fault;
    return { status, headers, body: { message, documentation_url: "https://docs.github.com/rest" } };
  }
  return {
    status: 403,
    headers: { "retry-after": String(fault.retryAfterSeconds) },
    body: {
      message: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
      documentation_url: "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
    },
  };
}
