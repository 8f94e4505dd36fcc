import { status } from "@grpc/grpc-js";
import type { Endpoint } from "./address.ts";
import { pause } from "./pause.ts";
import type { Progress } from "./progress.ts";

/** The running report of one build. */
export interface StatusWatch {
  /** True when the daemon has ended it well, false when it broke off; rejects with what the listener threw. */
  readonly ended: Promise<boolean>;
  /** Whether anything has come yet. */
  hasTold(): boolean;
  /** Waits for the end as long as something still comes at least every `maxSilenceMs`. */
  drain(maxSilenceMs: number): Promise<void>;
  close(): void;
}

/** Starts to follow a build. The daemon waits some seconds for a build that it does not know yet. */
export function watchStatus(endpoint: Endpoint, ref: string, progress: Progress): StatusWatch {
  const control = endpoint.openControl();
  const call = control.status({ ref });
  const { promise: ended, resolve, reject } = Promise.withResolvers<boolean>();
  let isOver = false;
  let lastAt = performance.now();
  let hasTold = false;
  call.on("data", (message) => {
    hasTold = true;
    lastAt = performance.now();
    try {
      progress.take(message);
    } catch (error) {
      reject(error);
    }
  });
  call.on("error", () => resolve(false));
  call.on("status", ({ code }) => resolve(code === status.OK));
  const finish = () => {
    isOver = true;
  };
  const over = ended.then(finish, finish);
  return {
    ended,
    hasTold: () => hasTold,
    async drain(maxSilenceMs) {
      const left = () => lastAt + maxSilenceMs - performance.now();
      const done = new AbortController();
      lastAt = performance.now();
      while (!isOver && left() > 0) await Promise.race([over, pause(left(), done.signal)]);
      done.abort();
    },
    close() {
      call.cancel();
      control.close();
    },
  };
}
