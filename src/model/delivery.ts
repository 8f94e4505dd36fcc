import type { Asked } from "./command.ts";
import type { InstalledChange } from "./installed.ts";
import type { Push } from "./push.ts";

/** One event that GitHub has delivered, its signature verified. */
export interface Delivery {
  /** GUID of the delivery (`X-GitHub-Delivery`); a redelivery keeps it. */
  readonly guid: string;
  /** Name of the event (`X-GitHub-Event`). */
  readonly event: string;
  readonly action: string | undefined;
  /** Login of the owner and name of the repository that it is about, where it is about one. Unchecked text. */
  readonly owner: string | undefined;
  readonly repository: string | undefined;
  readonly decision: Decision;
}

/** What a delivery leads to. Plain JSON: it is stored. */
export type Decision =
  | {
      readonly kind: "push";
      readonly push: Push;
      /**
       * Why nothing is built, where a person would otherwise wonder; GitHub shows it. What an older push has to build is
       * still to be built then.
       */
      readonly skip?: string;
      /** With `skip`: whether a person may allow it to be built. */
      readonly approvable?: boolean;
    }
  | { readonly kind: "command"; readonly asked: Asked }
  /** Nothing is built, but something is remembered. */
  | { readonly kind: "installed"; readonly change: InstalledChange; readonly reason: string }
  | { readonly kind: "ignored"; readonly reason: string };
