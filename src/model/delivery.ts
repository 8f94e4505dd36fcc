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
  /** `skip`: why nothing is built, where a person would otherwise wonder; it is shown as a status. */
  | { readonly kind: "push"; readonly push: Push; readonly skip?: string }
  | { readonly kind: "ignored"; readonly reason: string };
