import type { Fault, Location } from "../errors.ts";

/** How the work on one function ended. Plain JSON: it is stored. */
export type Outcome =
  | {
      readonly function: string;
      readonly state: "built";
      readonly image: string;
      readonly digest: string;
      readonly seconds: number;
      /** Whether each of its steps was found in the cache. */
      readonly cached?: boolean;
      /** Size of the image in the registry, where that is known. */
      readonly bytes?: number;
    }
  | {
      readonly function: string;
      /** Made of the same as its last good build: that build's image is the function's. */
      readonly state: "unchanged";
      readonly image: string;
      readonly digest: string;
      /** The commit that the image was built from, "" where there was none. */
      readonly sha: string;
      readonly seconds: number;
    }
  | { readonly function: string; readonly state: "skipped"; readonly reason: string }
  | {
      readonly function: string;
      /** `failed`: the push is to blame. `error`: the installation is. `cancelled`: nobody; it is not wanted any more. */
      readonly state: "failed" | "error" | "cancelled";
      readonly image: string;
      readonly reason: string;
      readonly fix: string;
      readonly location?: Location;
      /** The lines at fault, marked, for a terminal. */
      readonly excerpt?: string;
      readonly seconds: number;
    };

/** How a whole push ended: one outcome per function, or the fault that kept the stack from being read. */
export interface PushOutcome {
  readonly state: "success" | "failure" | "error" | "ignored" | "cancelled";
  readonly description: string;
  readonly functions: readonly Outcome[];
  /** Where the stack could not be read: everything that is wrong with it. */
  readonly faults?: readonly Fault[];
}
