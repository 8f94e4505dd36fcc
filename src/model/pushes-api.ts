import { z } from "zod";

/*
 * What GET /api/pushes and its kin answer. openapi.json is made of these schemas, our own client validates answers with
 * them, and tests hold our server against them.
 */

const time = z.string().nullable().describe("RFC 3339, in UTC.");

export const runStates = ["queued", "running", "success", "failure", "error", "cancelled", "ignored"] as const;

export const pushSchema = z.object({
  id: z.string().describe("GitHub's id of the delivery that brought it, or a UUID."),
  owner: z.string().describe("In lower case, as is the repository."),
  repository: z.string(),
  branch: z.string(),
  ref: z.string(),
  sha: z.string(),
  environment: z.string(),
  kind: z.enum(["push", "tag", "pull_request", "rebuild"]),
  force: z.boolean().describe("Whether what has not changed is built, too."),
  state: z.enum(runStates),
  description: z.string(),
  superseded_by: z.string().nullable().describe("Id of the newer push for whose sake it was cancelled."),
  created_at: z.string().describe("RFC 3339, in UTC."),
  started_at: time,
  ended_at: time,
});

export const pushFunctionSchema = z.object({
  name: z.string(),
  state: z.enum(["queued", "running", "built", "unchanged", "skipped", "failed", "error", "cancelled"]),
  step: z.string().describe("What is being done at the moment."),
  image: z.string(),
  digest: z.string().describe("Of the image's manifest, sha256:...; empty where there is none."),
  seconds: z.number().nullable(),
  reason: z.string().describe("Why there is no image."),
  started_at: time,
  ended_at: time,
});

export const pushListSchema = z.object({
  pushes: z.array(pushSchema).describe("The newest first."),
  next: z.string().nullable().describe("To be sent as after for those that follow; null at the end."),
});

export const pushDetailSchema = pushSchema.extend({ functions: z.array(pushFunctionSchema) });

export const rebuildRequestSchema = z.object({
  force: z.boolean().optional().describe("Build what has not changed, too."),
  functions: z.array(z.string().max(300)).max(1000).optional().describe("Only these; all where absent."),
});

export const rebuildSchema = z.object({ id: z.string().describe("Id of the new push.") });

export const cancelSchema = z.object({
  result: z.enum(["cancelled", "ended"]).describe("ended: it had ended before."),
});

export type ApiPush = z.infer<typeof pushSchema>;
export type ApiFunction = z.infer<typeof pushFunctionSchema>;
export type ApiPushList = z.infer<typeof pushListSchema>;
export type ApiPushDetail = z.infer<typeof pushDetailSchema>;

/** Each parses an answer; undefined for what is none. */
export const parsePushList = parserOf(pushListSchema);
export const parsePushDetail = parserOf(pushDetailSchema);
export const parseCancel = parserOf(cancelSchema);
export const parseRebuild = parserOf(rebuildSchema);

function parserOf<T>(schema: z.ZodType<T>): (value: unknown) => T | undefined {
  return (value) => schema.safeParse(value).data;
}
