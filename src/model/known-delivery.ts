/** The way that a delivery came by: GitHub sent it, or we found it missing, or a person of ours brought it. */
export type DeliverySource = "webhook" | "sweep" | "poll" | "api";

/** A stored delivery, and what became of it. */
export interface KnownDelivery {
  readonly guid: string;
  readonly event: string;
  readonly action: string | null;
  readonly owner: string | null;
  readonly repository: string | null;
  readonly source: DeliverySource;
  readonly receivedAt: Date;
  /** What its sender was told; of one that was swept up what GitHub noted. */
  readonly answer: string;
  readonly accepted: boolean;
  /** Why nothing, or nothing more, was done. */
  readonly reason: string;
  readonly attempts: number;
  /** Id of the run that it started last, or of the command that it is. */
  readonly run: string | null;
  /** Of the run or the command. */
  readonly state: string | null;
  readonly description: string | null;
}

export interface DeliveryFilter {
  readonly limit: number;
  readonly owner?: string | undefined;
  readonly event?: string | undefined;
  readonly source?: string | undefined;
}
