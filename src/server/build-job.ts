import { open, rm } from "node:fs/promises";
import { BuilderError } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import type { Context } from "../model/context.ts";
import type { FairQueue } from "../pipeline/fair-queue.ts";
import type { Intake } from "./build-intake.ts";
import { createTwins } from "./build-twins.ts";
import { forgetSecrets } from "./sealed-secrets.ts";
import { createSharedWork, type SharedWork, type Watcher, type WorkLife } from "./shared-work.ts";

/** What those who wait for a build hear: what is before it, then that it begins, then what it tells. */
export type JobEvent =
  | { readonly kind: "waits"; readonly before: number }
  | { readonly kind: "begins" }
  | { readonly kind: "tells"; readonly event: BuildEvent };

/** Builds an image, and pushes it where the client wants it. */
export type Build = (
  order: {
    readonly context: Context;
    readonly image: string;
    readonly buildArgs: Readonly<Record<string, string>>;
    readonly platforms: readonly string[];
    readonly push: boolean;
    readonly secrets: Readonly<Record<string, Uint8Array>>;
  },
  options: { signal: AbortSignal; onEvent: (event: BuildEvent) => void },
) => Promise<{ readonly digest: string | undefined }>;

export interface BuildJobs {
  /**
   * Builds what was taken in, in its turn; where the same bytes are being built already, that build is waited for.
   * From here on the folder belongs to the job.
   * @throws what the build throws; BuilderError `too_busy` before it has told anything where too many wait, or hold too
   *   much memory
   */
  run(intake: OwnedIntake, watcher: Watcher<JobEvent>): Promise<{ digest: string | undefined }>;
}

type OwnedIntake = Intake & { readonly folder: string };

const maxKeptBytes = 4 * 1024 * 1024;
/** As many as one archive may have: each takes more than a kilobyte. */
const defaultMaxHeldEntries = 500_000;

/** What jobs are made with. */
export interface JobHands {
  readonly build: Build;
  /** Lets so many builds run and so many wait. */
  readonly queue: FairQueue;
  /** Entries of all archives that are built or wait, beyond the first one; default 500 000. */
  readonly maxHeldEntries?: number;
  /** Build arguments of every build, where its request gives none of the same name. */
  readonly buildArgs?: Readonly<Record<string, string>>;
}

/** Creates the builds of the build API, which run as the queue lets them. */
export function createBuildJobs(hands: JobHands): BuildJobs {
  const shared: SharedWork<JobEvent, { digest: string | undefined }> = createSharedWork({ maxKeptBytes, sizeOf });
  const twins = createTwins();
  const { maxHeldEntries = defaultMaxHeldEntries } = hands;
  let heldEntries = 0;
  const release = (intake: OwnedIntake) => {
    heldEntries -= intake.entries;
    return forget(intake, intake.folder);
  };
  /** Counts an archive in, and names it. */
  const admit = async (intake: OwnedIntake, { signal }: Watcher<JobEvent>) => {
    const isTooMuch = heldEntries > 0 && heldEntries + intake.entries > maxHeldEntries;
    heldEntries += intake.entries;
    try {
      if (isTooMuch)
        throw new BuilderError("too_busy", "the archives that are being built take all memory that they may");
      return await twins.nameOf(intake, { signal });
    } catch (error) {
      await release(intake);
      throw error;
    }
  };
  const work = async (intake: OwnedIntake, name: string, life: WorkLife<JobEvent>) => {
    try {
      return await buildInTurn(intake, hands, life);
    } finally {
      twins.forget(name);
      await release(intake);
    }
  };
  return {
    async run(intake, watcher) {
      const name = await admit(intake, watcher);
      const joined = shared.join(name, watcher);
      if (!joined) return shared.begin(name, (life) => work(intake, name, life), watcher);
      const [ended] = await Promise.all([joined, release(intake)]);
      return ended;
    },
  };
}

async function buildInTurn(
  { client, config, context, secrets }: Intake,
  { build, queue, buildArgs: own }: JobHands,
  { signal, emit }: WorkLife<JobEvent>,
): Promise<{ digest: string | undefined }> {
  const onPlace = (before: number) => emit({ kind: "waits", before });
  using _place = await queue.enter({ key: client, signal, onPlace });
  signal.throwIfAborted();
  emit({ kind: "begins" });
  const { pushName: image, platforms, push } = config;
  const buildArgs = { ...own, ...config.buildArgs };
  const onEvent = (event: BuildEvent) => emit({ kind: "tells", event });
  return await build({ context, image, buildArgs, platforms, push, secrets }, { signal, onEvent });
}

/**
 * Removes what was taken in. The archive's name goes at once, its bytes when its last descriptor is closed: a gigabyte
 * takes the system a quarter of a second, which the client need not wait for.
 */
async function forget({ secrets, file }: Intake, folder: string): Promise<void> {
  forgetSecrets(secrets);
  const archive = await open(file).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
  void archive?.close();
}

function sizeOf(event: JobEvent): number {
  return event.kind === "tells" && event.event.kind === "log" ? event.event.text.length + 300 : 300;
}
