import type { Location } from "../errors.ts";

/**
 * What a running build tells, in BuildKit's words. The CLI's view, plain lines, the build API's log and GitHub's
 * texts are all drawn from these. Times are Unix milliseconds of the daemon's clock.
 */
export type BuildEvent =
  /** A step is known, has started, has ended, was found in the cache or has failed. Later events of a digest replace earlier ones. */
  | {
      readonly kind: "vertex";
      readonly digest: string;
      readonly name: string;
      readonly started: number | undefined;
      readonly completed: number | undefined;
      readonly cached: boolean;
      readonly error: string;
    }
  /** Progress inside a step, such as the bytes of a layer. `total` 0 = unknown. */
  | {
      readonly kind: "status";
      readonly vertex: string;
      readonly id: string;
      readonly current: number;
      readonly total: number;
      readonly started: number | undefined;
      readonly completed: number | undefined;
      readonly timestamp: number;
    }
  /** What a step printed: decoded text of one stream, not cut at line ends. */
  | {
      readonly kind: "log";
      readonly vertex: string;
      readonly stream: "stdout" | "stderr";
      readonly timestamp: number;
      readonly text: string;
    }
  /** What the build would have done otherwise, told once a build, such as what Dockerfile's linter finds. */
  | {
      readonly kind: "warning";
      readonly vertex: string;
      readonly message: string;
      readonly detail: readonly string[];
      /** Where to read more; "" = nowhere. */
      readonly url: string;
      readonly location: Location | undefined;
      /** The lines of the place, marked. */
      readonly excerpt?: string;
    };
