import type { Config, Surroundings } from "../config.ts";
import { openArchive } from "../contexts/archive.ts";
import { BuilderError } from "../errors.ts";
import type { Log } from "../log.ts";
import { findProgram } from "../parts/find-program.ts";
import type { FairQueue } from "../pipeline/fair-queue.ts";
import { type BoxKey, parseBoxKey } from "../server/box-keys.ts";
import { createBuildRoute } from "../server/build-route.ts";
import type { PayloadKey } from "../server/build-signature.ts";
import type { Metrics } from "../server/metrics.ts";
import { createPublicKeyRoute } from "../server/public-key-route.ts";
import { createReplayGuard } from "../server/replay-guard.ts";
import { createWebhookRoute } from "../server/webhook-route.ts";
import type { Intake } from "./intake.ts";
import type { ImageBuild } from "./push-hands.ts";
import { readSecretFiles, type Secrets } from "./secrets.ts";

type Door = ReturnType<typeof createWebhookRoute>;

/** Creates GitHub's door. It stays shut, and says why, while something is missing without which no push can be built. */
export function createWebhookDoor(
  config: Config,
  { secrets, intake, metrics, log }: { secrets: Secrets; intake: Intake; metrics: Metrics; log: Log },
): Door {
  if (config.pushRegistry === undefined) {
    log.warn({}, "push_repository_url is not set: GitHub's webhook is answered with 503");
    return () => {
      throw new BuilderError(
        "not_configured",
        "this server has no registry to push to: push_repository_url is not set",
      );
    };
  }
  const route = createWebhookRoute({
    async secrets() {
      // One secret a line: during a rotation the old and the new one are good.
      const text = await secrets("github-webhook-secret");
      return (text ?? "")
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "");
    },
    rules: intake.rules,
    store: intake.store,
    log,
  });
  return (request, response, next) => {
    response.once("finish", () => {
      // Whoever signed nothing does not choose a line's name.
      if (response.statusCode >= 400) metrics.delivery("unknown", "refused", "webhook");
    });
    return route(request, response, next);
  };
}

/** Creates the doors of the build API. With a payload secret only who knows one gets in; without it says so loudly. */
export async function createBuildDoors(
  config: Config,
  hands: BuildDoorHands,
): Promise<{ readonly build: Door; readonly publicKey: Door }> {
  const { surroundings, log } = hands;
  const readKeys = () => payloadKeys(config);
  if ((await readKeys()).length === 0) {
    log.warn(
      { secret: `${config.secretFolder}/payload-secret` },
      "ANYONE who reaches this server can build and push with POST /build: there is no payload-secret, or disable_hmac is set",
    );
  }
  const findTool = (name: string) => findProgram(name, { path: surroundings.path });
  const boxKeys = () => readBoxKeys(config.secretFolder);
  const build = createBuildRoute({
    ...hands,
    build: hands.buildImage,
    buildArgs: proxyArgs(surroundings),
    keys: readKeys,
    boxKeys,
    openArchive: (file, options) => openArchive(file, { ...options, findProgram: findTool }),
    limits: { maxBodyBytes: config.maxBodyBytes },
    allowSha1: config.allowSha1,
    replayGuard: createReplayGuard(config.replayProtection, { now: Date.now }),
    legacyStatus: config.legacyStatus,
  });
  return { build, publicKey: createPublicKeyRoute({ keys: boxKeys }) };
}

interface BuildDoorHands {
  readonly surroundings: Surroundings;
  /** Without a limit of its own: the queue is the limit. */
  readonly buildImage: ImageBuild;
  readonly queue: FairQueue;
  readonly temporaryFolder: string;
  readonly stopping: AbortSignal;
  readonly leaving: AbortSignal;
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * One secret a line, several while they are replaced; a file that holds none has an empty one, which lets nobody in.
 * Each file is a client's: whose turn it is goes round among them.
 */
async function payloadKeys({ disableHmac, secretFolder }: Config): Promise<readonly PayloadKey[]> {
  if (disableHmac) return [];
  const files = await readSecretFiles(secretFolder, "payload-secret");
  return files.flatMap(({ id, text }) => text.split(/\s*\n\s*/).map((secret) => ({ id, secret })));
}

/** The way to the network, which of-builder has handed on since 2018: empty values too, as they end an inherited one. */
function proxyArgs({ environment }: Surroundings): Readonly<Record<string, string>> {
  const given = ["http_proxy", "https_proxy", "no_proxy"].map((name) => [name, environment[name]] as const);
  return Object.fromEntries(given.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

async function readBoxKeys(folder: string): Promise<readonly BoxKey[]> {
  const files = await readSecretFiles(folder, "build-secrets-key");
  return files.map(({ id, text }) => parseBoxKey(text, `${folder}/${id}`));
}
