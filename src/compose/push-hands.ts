import type { Buildkit } from "../buildkit/client.ts";
import type { Config } from "../config.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import { createFunctionContext } from "../contexts/function-context.ts";
import { messageOf } from "../errors.ts";
import type { Git } from "../git/git.ts";
import type { Checkout } from "../git/open-checkout.ts";
import type { Log } from "../log.ts";
import { imageOfPush } from "../model/image-name.ts";
import type { Push } from "../model/push.ts";
import type { BuildHands } from "../pipeline/build-function.ts";
import type { Limit } from "../pipeline/limit.ts";
import { backoffOf } from "../pipeline/retry.ts";
import type { StoryLog } from "../pipeline/run-function.ts";
import type { PushHands } from "../pipeline/run-push.ts";
import { createTrees, type OwnedTree } from "../pipeline/trees.ts";
import type { LookUpCredentials } from "../registry/credentials.ts";
import type { Github } from "./github.ts";
import type { PushTarget } from "./push-target.ts";
import { createTemplateRules } from "./template-rules.ts";

/** Builds and pushes one image; waits for a free place first. */
export type ImageBuild = BuildHands["build"];

/** Creates the build of one image by a BuildKit, with as many at once as the limit allows. */
export function createImageBuild({
  buildkit,
  target,
  credentials,
  limit,
}: {
  buildkit: Buildkit;
  target: PushTarget;
  credentials: LookUpCredentials;
  limit: Limit;
}): ImageBuild {
  return ({ image, push = true, ...rest }, options) =>
    limit(async () => {
      options.signal.throwIfAborted();
      const insecure = push && (await target.isInsecure(image, options));
      return buildkit.build({ ...rest, image: { names: [image], push, insecure }, credentials }, options);
    });
}

/** Creates what the stories of pushes are given. */
export function createPushHands(
  config: Config,
  {
    git,
    github,
    buildImage,
    target,
    log,
  }: { git: Git; github: Github; buildImage: ImageBuild; target: PushTarget; log: Log },
): PushHands {
  const registry = config.pushRegistry ?? "";
  const templateRules = createTemplateRules(config, { log });
  return {
    trees: createTrees({
      checkout: async (push, options) => ownedTree(await git.checkout(await github.sourceOf(push, options), options)),
      checkoutTemplates: async (source, options) => ownedTree(await git.checkoutRef({ url: source }, options)),
    }),
    reporter: github,
    backoff: backoffOf({ firstMs: config.retryFirstMs, attempts: config.retryAttempts }),
    log: createStoryLog(log),
    rulesFor: (push) => ({
      variables: {},
      imageOf: ({ name, image }) => imageOfPush({ registry, image: image || name, push }),
      dockerfileLang: config.dockerfileLang,
      ...templateRules,
    }),
    assemble: createFunctionContext,
    build: buildImage,
    readDigest: target.readDigest,
  };
}

/** Links of a checkout may lead anywhere inside of it, and nowhere else. */
function ownedTree({ folder, committedAt, sha, ...checkout }: Checkout): OwnedTree {
  return {
    folder,
    committedAt,
    commit: sha,
    context: createDirectoryContext(folder, { within: folder, links: "resolve" }),
    [Symbol.asyncDispose]: () => checkout[Symbol.asyncDispose](),
  };
}

function createStoryLog(log: Log): StoryLog {
  const about = ({ delivery, owner, repository, sha }: Push) => ({
    delivery,
    commit: `${owner}/${repository}@${sha.slice(0, 7)}`,
  });
  return {
    event({ push, planned }, event) {
      if (event.kind === "vertex" && event.completed !== undefined)
        log.debug({ ...about(push), function: planned.name }, event.name);
    },
    retry: (push, error, waitMs) => log.warn({ ...about(push), waitMs }, error.message),
    refused: (push, error) => log.error({ ...about(push) }, `GitHub does not show a status: ${messageOf(error)}`),
    ended: (push, { state, description }) => log.info({ ...about(push), state }, `push ended: ${description}`),
    bug: (push, error) => log.error({ ...about(push), err: error }, "bug"),
  };
}
