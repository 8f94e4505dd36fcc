import { resolve } from "node:path";
import { createBuildkit } from "../buildkit/client.ts";
import { createDirectoryContext } from "../contexts/directory.ts";
import type { BuildEvent } from "../model/build-event.ts";
import type { Context } from "../model/context.ts";
import { createCredentials } from "../registry/credentials.ts";
import { openPermit } from "../registry/permit.ts";
import { parseSealingKey } from "../remote/seal-secrets.ts";
import { folderIdentity } from "./folder-identity.ts";
import { createPushTarget } from "./push-target.ts";
import { createRegistrySignIn } from "./registry-sign-in.ts";
import { createRemoteBuild } from "./remote-build.ts";

/** Where builds run: on a BuildKit, or on a server of the build API. */
export type BuilderOptions =
  | {
      /** "unix:///PATH" or "tcp://HOST:PORT". */
      readonly buildkit: string;
      /** Folder of Docker's config.json with the registries' credentials; none are used where absent. */
      readonly dockerConfig?: string;
      /** Pushes over plain HTTP, or never; found out where absent. */
      readonly insecure?: boolean;
    }
  | {
      /** Of the server, such as "https://builder.example.com". */
      readonly url: string;
      /** What requests are signed with; absent where the server asks for none. */
      readonly payloadSecret?: string;
      /** Signs so that each request is good only once, which else is done where the server asks for it. */
      readonly stamp?: boolean;
      /** What build secrets are sealed for, base64; asked of the server where absent. */
      readonly publicKey?: string;
    };

export interface BuildOrder {
  /** A folder of this disk with a Dockerfile, or a tree of one's own. Links stay as they are. */
  readonly context: string | Context;
  /** Name of the image, with its registry where it is pushed. */
  readonly image: string;
  /** Default: true. */
  readonly push?: boolean;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Such as "linux/arm64"; the builder's own where absent. */
  readonly platforms?: readonly string[];
  /** What RUN --mount=type=secret sees, by id. They leave this process for a server only sealed. */
  readonly secrets?: Readonly<Record<string, string | Uint8Array>>;
}

export interface Builder extends Disposable {
  /**
   * Builds one image; any number may be built at once.
   * @param options.signal cancels the build
   * @param options.onEvent hears of each step and what it prints, in order, while the build runs
   * @returns the digest of the image's manifest, "sha256:..."; undefined where a server tells none
   * @throws BuilderError with a `code`, a message for people, what to do (`fix`) and, where there is one, the place in
   *   the Dockerfile (`location`)
   */
  build(
    order: BuildOrder,
    options?: { signal?: AbortSignal; onEvent?: (event: BuildEvent) => void },
  ): Promise<{ readonly digest: string | undefined }>;
  /** Ends the builder: builds that still run on a BuildKit are cancelled. */
  close(): void;
}

type Build = (
  order: Required<Omit<BuildOrder, "secrets">> & {
    readonly context: Context;
    readonly sharedKey?: string;
    readonly secrets: Readonly<Record<string, Uint8Array>>;
  },
  options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
) => Promise<{ digest?: string | undefined }>;

/**
 * Creates a builder for Node programs: `import { createBuilder } from "of-builder"`.
 * @throws BuilderError where the address is none
 */
export function createBuilder(options: BuilderOptions): Builder {
  const { build, close } = "url" in options ? remote(options) : local(options);
  return {
    async build({ context, push = true, buildArgs = {}, platforms = [], image, secrets = {} }, given = {}) {
      const order = { ...sourceOf(context), image, push, buildArgs, platforms, secrets: bytesOf(secrets) };
      const { signal = new AbortController().signal, onEvent = () => undefined } = given;
      const { digest } = await build(order, { signal, onEvent });
      return { digest };
    },
    close,
    [Symbol.dispose]: close,
  };
}

/** Only a folder is known again by the next build: times in a tree of one's own need not tell that a file has changed. */
function sourceOf(context: string | Context): { context: Context; sharedKey?: string } {
  if (typeof context !== "string") return { context };
  const folder = resolve(context);
  return {
    context: createDirectoryContext(folder, { within: folder, links: "keep" }),
    sharedKey: folderIdentity(folder),
  };
}

function bytesOf(secrets: Readonly<Record<string, string | Uint8Array>>): Readonly<Record<string, Uint8Array>> {
  const bytes = Object.entries(secrets).map(([id, value]) => [id, Buffer.from(value)] as const);
  return Object.fromEntries(bytes);
}

function remote({ publicKey, ...rest }: Extract<BuilderOptions, { url: string }>): { build: Build; close(): void } {
  const key = publicKey === undefined ? {} : { sealingKey: parseSealingKey(publicKey, "publicKey") };
  return { build: createRemoteBuild({ ...rest, ...key }), close() {} };
}

function local(options: Extract<BuilderOptions, { buildkit: string }>): { build: Build; close(): void } {
  const client = createBuildkit({ address: options.buildkit });
  const credentials = options.dockerConfig
    ? createCredentials({ folder: options.dockerConfig })
    : async () => undefined;
  const target = createPushTarget({ setting: options.insecure, mirror: undefined, credentials });
  const signIn = createRegistrySignIn({ credentials, target, permitFor: () => openPermit });
  return {
    async build({ image, push, ...rest }, given) {
      const insecure = push && (await target.isInsecure(image, given));
      return client.build(
        { ...rest, image: { names: [image], push, insecure }, ...signIn(push ? [image] : []) },
        given,
      );
    },
    close: () => client.close(),
  };
}
