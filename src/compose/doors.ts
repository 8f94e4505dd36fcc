import { readFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import { openArchive } from "../contexts/archive.ts";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { createBuildRoute } from "../server/build-route.ts";
import { createWebhookRoute, type WebhookHands } from "../server/webhook-route.ts";
import type { ImageBuild } from "./push-hands.ts";
import type { Secrets } from "./secrets.ts";

type Door = ReturnType<typeof createWebhookRoute>;

/** Creates GitHub's door. It stays shut, and says why, while something is missing without which no push can be built. */
export function createWebhookDoor(
  config: Config,
  { secrets, store, log }: { secrets: Secrets; log: Log } & Pick<WebhookHands, "store">,
): Door {
  const { customersPath } = config;
  if (config.pushRegistry === undefined) {
    log.warn({}, "push_repository_url is not set: GitHub's webhook is answered with 503");
    return () => {
      throw new BuilderError(
        "not_configured",
        "this server has no registry to push to: push_repository_url is not set",
      );
    };
  }
  return createWebhookRoute({
    async secrets() {
      // One secret a line: during a rotation the old and the new one are good.
      const text = await secrets("github-webhook-secret");
      return (text ?? "")
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "");
    },
    rules: {
      buildBranch: config.buildBranch,
      ...(customersPath !== undefined && { customers: (owner: string) => isCustomer(customersPath, owner) }),
    },
    store,
    log,
  });
}

/** The list is small and read for each push: a change is in force at once. Lines are owners; case does not matter. */
async function isCustomer(file: string, owner: string): Promise<boolean> {
  try {
    const lines = (await readFile(file, "utf8")).split("\n");
    return lines.some((line) => line.trim() !== "" && line.trim().toLowerCase() === owner.toLowerCase());
  } catch (cause) {
    throw new BuilderError("not_configured", `the list of owners "${file}" cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Creates the door of POST /build. With a payload secret only who knows it gets in; without one it says so loudly. */
export async function createBuildDoor(
  config: Config,
  { secrets, buildImage, temporaryFolder, stopping, log }: BuildDoorHands,
): Promise<Door> {
  const open = config.disableHmac || (await secrets("payload-secret")) === undefined;
  if (open) {
    log.warn(
      { secret: `${config.secretFolder}/payload-secret` },
      "ANYONE who reaches this server can build and push with POST /build: there is no payload-secret, or disable_hmac is set",
    );
  }
  return createBuildRoute({
    build: buildImage,
    secret: async () => (config.disableHmac ? undefined : secrets("payload-secret")),
    openArchive,
    temporaryFolder,
    limits: { maxBodyBytes: config.maxBodyBytes },
    allowSha1: config.allowSha1,
    stopping,
    log,
  });
}

interface BuildDoorHands {
  readonly secrets: Secrets;
  readonly buildImage: ImageBuild;
  readonly temporaryFolder: string;
  readonly stopping: AbortSignal;
  readonly log: Log;
}
