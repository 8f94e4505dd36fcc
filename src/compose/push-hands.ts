import type { BuildLimits } from "../buildkit/build-limits.ts";
import type { Buildkit } from "../buildkit/client.ts";
import type { Config } from "../config.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import { createFunctionContext } from "../contexts/function-context.ts";
import type { Database } from "../database/database.ts";
import { readGoodBuilds, storeGoodBuild } from "../database/function-builds.ts";
import { messageOf } from "../errors.ts";
import type { Git } from "../git/git.ts";
import type { Checkout } from "../git/open-checkout.ts";
import type { Log } from "../log.ts";
import type { BuildLogs } from "../logs/build-logs.ts";
import { hostOf, repositoryOf } from "../model/image-name.ts";
import { lineOf, type Push } from "../model/push.ts";
import { imageOfPush } from "../model/push-image-name.ts";
import type { BuildHands } from "../pipeline/build-function.ts";
import type { FairLimit } from "../pipeline/fair-queue.ts";
import type { Reporter } from "../pipeline/report.ts";
import { backoffOf } from "../pipeline/retry.ts";
import type { StoryLog } from "../pipeline/run-function.ts";
import type { PushHands } from "../pipeline/run-push.ts";
import { createTrees, type OwnedTree } from "../pipeline/trees.ts";
import type { LookUpCredentials } from "../registry/credentials.ts";
import { builderName } from "./context-inputs.ts";
import { folderIdentity } from "./folder-identity.ts";
import type { Github } from "./github.ts";
import { createKnownContexts } from "./known-contexts.ts";
import { createOwnerLimits } from "./owner-limits.ts";
import type { PushTarget } from "./push-target.ts";
import type { RegistrySignIn } from "./registry-sign-in.ts";
import { createRuns } from "./runs.ts";
import { createTemplateRules } from "./template-rules.ts";

/** Builds and pushes one image; waits for a free place first. */
export type ImageBuild = BuildHands["build"];

/**
 * Creates the build of one image by a BuildKit, with as many at once as the limit allows, within the bounds of this
 * installation. Files that a stack names for secrets would be this server's: they are not read.
 */
export function createImageBuild(
  config: Config,
  {
    buildkit,
    target,
    signIn,
    limit,
  }: {
    buildkit: Buildkit;
    target: PushTarget;
    signIn: RegistrySignIn;
    limit: FairLimit;
  },
): ImageBuild {
  const bounds = { limits: limitsOf(config), policy: { frontends: config.frontends } };
  return ({ image, push = true, committedAt, secretFiles: _, owner = "", ...rest }, options) => {
    const build = async () => {
      options.signal.throwIfAborted();
      const insecure = push && (await target.isInsecure(image, options));
      const time = config.sourceDateEpoch === "commit" ? committedAt : undefined;
      // Files are written when they are checked out: their times would be others each time.
      const dated = time === undefined ? undefined : { sourceDateEpoch: time };
      const made = { image: { names: [image], push, insecure, ...(dated && { rewriteTimestamp: true }) } };
      return buildkit.build({ ...rest, ...made, ...dated, ...bounds, ...signIn(push ? [image] : []) }, options);
    };
    return limit(build, { key: `pushes of ${owner.toLowerCase()}`, signal: options.signal });
  };
}

function limitsOf({ buildTimeLimitMs, buildIdleLimitMs, buildLogBytes }: Config): BuildLimits {
  return {
    ...(buildTimeLimitMs > 0 && { timeMs: buildTimeLimitMs }),
    ...(buildIdleLimitMs > 0 && { idleMs: buildIdleLimitMs }),
    ...(buildLogBytes > 0 && { logBytes: buildLogBytes }),
  };
}

/** Creates what the stories of pushes are given. */
export function createPushHands(
  config: Config,
  {
    git,
    github,
    reporter,
    openLines,
    buildImage,
    target,
    credentials,
    database,
    logs,
    log,
  }: {
    git: Git;
    github: Github;
    reporter: Reporter;
    openLines: PushHands["openLines"];
    buildImage: ImageBuild;
    target: PushTarget;
    credentials: LookUpCredentials;
    database: Database;
    logs: BuildLogs;
    log: Log;
  },
): PushHands {
  const registry = config.pushRegistry ?? "";
  const templateRules = createTemplateRules(config, { log });
  const hashKnown = createKnownContexts();
  const limits = createOwnerLimits(config, { database });
  return {
    trees: createTrees({
      async checkout(push, options) {
        await limits.checkPush(push);
        return ownedTree(await git.checkout(await github.sourceOf(push, options), options));
      },
      checkoutTemplates: async (source, options) => ownedTree(await git.checkoutRef({ url: source }, options)),
    }),
    runs: createRuns(database, { git, github, log }),
    reporter,
    backoff: backoffOf({ firstMs: config.retryFirstMs, attempts: config.retryAttempts }),
    stepLimitMs: config.stepTimeLimitMs,
    log: createStoryLog(log),
    openLines,
    openLog: ({ push, planned }) => logs.open({ push: push.delivery, function: planned.name }),
    rulesFor: (push) => ({
      pushed: true,
      owner: push.owner,
      variables: config.stackVariables,
      imageOf: ({ name, image }) => imageOfPush({ registry, image: image || name, push }),
      dockerfileLang: config.dockerfileLang,
      ...templateRules,
    }),
    assemble: createFunctionContext,
    async build(request, options) {
      await limits.checkContext(request.context, options);
      return buildImage(request, options);
    },
    readDigest: target.readStoredDigest,
    readSize: target.readSize,
    memory: {
      readGoodBuilds: (push) => readBuildsOf(database, push),
      storeGoodBuild: (push, name, build) => storeGoodBuild(database, { ...push, branch: lineOf(push), name }, build),
      copyImage: target.copyImage,
      baseDigest: async (image, options) => {
        const host = hostOf(image);
        const isOurs = host === hostOf(`${registry}/x`) || (await credentials(host)) !== undefined;
        if (isOurs) return target.baseDigest(image, options);
        return isPublicName(host) ? target.baseDigest(image, { ...options, reach: "public" }) : undefined;
      },
      hashContext: ({ image, name }, context, options) => hashKnown(`${repositoryOf(image)} ${name}`, context, options),
      // Whatever of the settings changes what is made of the same files belongs here. Of an image's time only where it
      // comes from: a commit's own time differs each time, and would leave nothing unchanged.
      builder: `${builderName}, frontends ${config.frontends}, time ${config.sourceDateEpoch}`,
    },
  };
}

/** A pull request takes what its base has built where it is made of the same, and leaves there nothing of its own. */
async function readBuildsOf(database: Database, push: Push): Promise<Awaited<ReturnType<typeof readGoodBuilds>>> {
  const own = await readGoodBuilds(database, { ...push, branch: lineOf(push) });
  if (!push.pullRequest) return own;
  return new Map([...(await readGoodBuilds(database, { ...push, branch: push.pullRequest.base })), ...own]);
}

/**
 * A pushed Dockerfile may name any host: this server asks none that a stranger could mean to reach through it, which
 * are addresses, ports and names of this network. Names that only lead there are found out when they are looked up.
 */
function isPublicName(host: string): boolean {
  return /^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]+$/i.test(host) && !/\.(?:local|internal|localhost)$/i.test(host);
}

/** Links of a checkout may lead anywhere inside of it, and nowhere else. */
function ownedTree({ folder, committedAt, message, sha, ...checkout }: Checkout): OwnedTree {
  return {
    folder,
    committedAt,
    message,
    commit: sha,
    context: createDirectoryContext(folder, { within: folder, links: "resolve" }),
    // Kept for the next push of the repository, for which git writes anew what differs.
    identity: folderIdentity(folder),
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
    refused: (push, error) => log.error({ ...about(push) }, `GitHub is not told a report: ${messageOf(error)}`),
    unrecorded: (push, error) => log.warn({ ...about(push) }, `not put down: ${messageOf(error)}`),
    ended: (push, { state, description }) => log.info({ ...about(push), state }, `push ended: ${description}`),
    warned(push, { message, location }) {
      log.warn({ ...about(push), file: location.path, line: location.line }, `stack: ${message}`);
    },
    bug: (push, error) => log.error({ ...about(push), err: error }, "bug"),
  };
}
