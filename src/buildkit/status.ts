import { ControlService } from "./generated/control.ts";
import type { Progress } from "./progress.ts";
import type { Session } from "./session.ts";

/** The running report of one build. */
export interface StatusWatch {
  /** Rejects with what the listener throws. */
  readonly fault: Promise<never>;
  /** Whether anything has come yet. */
  hasTold(): boolean;
  /** Waits for the end as long as something still comes at least every `maxSilenceMs`. */
  drain(maxSilenceMs: number): Promise<void>;
  close(): void;
}

/** Starts to follow a build. The daemon waits some seconds for a build that it does not know yet. */
export function watchStatus(session: Pick<Session, "call">, ref: string, progress: Progress): StatusWatch {
  const { promise: fault, reject } = Promise.withResolvers<never>();
  const { promise: silent, resolve: fallSilent } = Promise.withResolvers<void>();
  let silence: NodeJS.Timeout | undefined;
  let hasTold = false;
  const call = session.call({
    method: ControlService.status,
    request: { ref },
    onMessage(message) {
      hasTold = true;
      silence?.refresh();
      try {
        progress.take(message);
      } catch (error) {
        reject(error);
      }
    },
  });
  fault.catch(() => undefined);
  return {
    fault,
    hasTold: () => hasTold,
    async drain(maxSilenceMs) {
      silence = setTimeout(fallSilent, maxSilenceMs);
      await Promise.race([call.ended, fault, silent]).finally(() => clearTimeout(silence));
    },
    close: () => call.cancel(),
  };
}
