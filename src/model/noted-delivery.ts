/** An attempt of GitHub's to deliver an event to the App's webhook, as GitHub notes it for three days. */
export interface NotedDelivery {
  readonly id: string;
  readonly guid: string;
  readonly event: string;
  readonly deliveredAt: Date;
  /** What GitHub was answered, such as `502 failed to connect to host`. */
  readonly answer: string;
  readonly arrived: boolean;
  /** Whether the event may lead to anything here. */
  readonly isOfUse: boolean;
}
