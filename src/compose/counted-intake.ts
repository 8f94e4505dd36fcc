import type { Delivery } from "../model/delivery.ts";
import type { Metrics } from "../server/metrics.ts";
import type { Intake } from "./intake.ts";

/** An intake whose deliveries are counted, whichever way they came by. */
export function countedIntake(intake: Intake, metrics: Metrics): Intake {
  return {
    ...intake,
    async store(delivery, body, way) {
      const novelty = await intake.store(delivery, body, way);
      const result = novelty === "duplicate" ? novelty : resultOf(delivery);
      metrics.delivery(delivery.event, result, way?.source ?? "webhook");
      return novelty;
    },
  };
}

function resultOf({ decision }: Delivery): "accepted" | "ignored" {
  return decision.kind === "ignored" || (decision.kind === "push" && decision.skip !== undefined)
    ? "ignored"
    : "accepted";
}
