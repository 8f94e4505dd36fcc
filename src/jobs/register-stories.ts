import { DBOS, Error as DbosErrors } from "@dbos-inc/dbos-sdk";
import type { Pool } from "pg";
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { storyQueue } from "../model/story-queue.ts";
import { type Steps, StoryMoved } from "../pipeline/steps.ts";
import { createSteps } from "./durable-steps.ts";
import { createOwnerSlots } from "./owner-slots.ts";
import { recordOf, type StepRecord } from "./step-record.ts";
import type { ToldStories } from "./told-stories.ts";

interface Stories<PushInput, FunctionInput> {
  readonly stories: {
    push(input: PushInput, steps: Steps): Promise<unknown>;
    function(input: FunctionInput, steps: Steps): Promise<unknown>;
  };
  ownerOf(input: FunctionInput): string;
  readonly limits: { readonly functionsOfOwner: number };
  readonly log: Log;
}

/** Tells DBOS what stories there are, and how a push starts those of its functions. */
export function registerStories<PushInput, FunctionInput>(
  { stories, ownerOf, limits, log }: Stories<PushInput, FunctionInput>,
  { pool, ...rest }: { told: ToldStories; draining: AbortSignal; leaving: AbortSignal; pool: Pool },
): void {
  const { told, leaving } = rest;
  const slots = createOwnerSlots(pool, { max: limits.functionsOfOwner, leaving });
  const queued = (input: FunctionInput) => ({
    queueName: storyQueue.functions,
    enqueueOptions: { queuePartitionKey: ownerOf(input).toLowerCase() },
  });
  const steps = createSteps({
    ...rest,
    startBranch(branch, { id }) {
      const input = branch as FunctionInput;
      const place = limits.functionsOfOwner > 0 ? queued(input) : {};
      return DBOS.startWorkflow(tellFunction, { workflowID: id, ...place })(input);
    },
    freeBranch: (id) =>
      free(pool, id).catch((error: unknown) =>
        log.warn({ id, reason: messageOf(error) }, "a cancelled function waits"),
      ),
  });
  const tell = (story: () => Promise<unknown>) => told.tell(DBOS.workflowID ?? "", () => recordStory(story));
  const tellInPlace = (input: FunctionInput) => {
    const id = DBOS.workflowID ?? "";
    const place = { id, owner: ownerOf(input).toLowerCase(), story: told.of(id) };
    return slots.within(place, () => stories.function(input, steps));
  };
  const tellFunction = DBOS.registerWorkflow((input: FunctionInput) => tell(() => tellInPlace(input)), {
    name: "function",
  });
  DBOS.registerWorkflow((input: PushInput) => tell(() => stories.push(input, steps)), { name: storyQueue.story });
}

/** An error of DBOS itself, such as "this story is now told elsewhere", is no end of the story: DBOS must see it. */
async function recordStory(story: () => Promise<unknown>): Promise<StepRecord> {
  const isOfEngine = (error: unknown) => error instanceof StoryMoved || error instanceof DbosErrors.DBOSError;
  try {
    return await recordOf(story, { unless: isOfEngine });
  } catch (error) {
    throw error instanceof StoryMoved ? error.cause : error;
  }
}

async function free(pool: Pool, id: string): Promise<void> {
  await pool.query(
    `update dbos.workflow_status set queue_name = $2, queue_partition_key = null
    where workflow_uuid = $1 and status = 'ENQUEUED'`,
    [id, storyQueue.atOnce],
  );
}
