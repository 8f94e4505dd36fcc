import type { BuildPolicy } from "../model/build-policy.ts";
import type { Decision } from "../model/delivery.ts";

/** An event as its sender named it; the payload is what its JSON holds. */
export interface RawEvent {
  readonly guid: string;
  readonly event: string;
  readonly payload: unknown;
}

export interface DecisionRules {
  readonly policy: BuildPolicy;
  /** Whether this owner's pushes are built; absent: everybody's are. */
  readonly customers?: ((owner: string) => Promise<boolean>) | undefined;
  /** Id of our App: other Apps' checks are none of ours. Absent: not known. */
  readonly appId?: string | undefined;
}

/** "Ignored, because …" is an answer, and no error. */
export function ignored(reason: string): Decision {
  return { kind: "ignored", reason };
}
