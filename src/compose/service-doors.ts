import type { Config } from "../config.ts";
import { createApp } from "../server/app.ts";
import { createApiDoor, createLogLinkDoor } from "./api.ts";
import { createBuildDoors, createWebhookDoor } from "./doors.ts";
import type { Foundation } from "./foundation.ts";
import type { Intake } from "./intake.ts";
import { createPartsCheck } from "./parts-check.ts";
import { createImageBuild } from "./push-hands.ts";
import { redactedBuild } from "./redacted-build.ts";
import { createSecretRedactor } from "./secret-values.ts";

interface DoorHands {
  readonly intake: Intake;
  /** Aborts when nothing new is to be built, and nobody may wait for what goes on for long. */
  readonly stopping: AbortSignal;
  /** Aborts what is still being built. */
  readonly leaving: AbortSignal;
}

/** Creates everything that a server answers. */
export async function createServiceDoors(
  config: Config,
  foundation: Foundation,
  { intake, stopping, leaving }: DoorHands,
): Promise<ReturnType<typeof createApp>> {
  const { database, secrets, logs, notices, metrics, log } = foundation;
  const { build, publicKey } = await createBuildDoors(config, {
    ...foundation,
    buildImage: redactedBuild(
      createImageBuild(config, { ...foundation, limit: (work) => work() }),
      createSecretRedactor(config, foundation.surroundings),
    ),
    stopping,
    leaving,
  });
  const api = { database, logs, notices, leaving: stopping };
  return createApp({
    build,
    publicKey,
    api: createApiDoor(config, api),
    logLink: createLogLinkDoor(config, api),
    webhook: createWebhookDoor(config, { secrets, intake, metrics, log }),
    metrics: metrics.serve,
    parts: createPartsCheck(foundation, { stopping }),
    log,
  });
}
