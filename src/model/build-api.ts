import { z } from "zod";
import { platformPattern } from "./platform.ts";

/*
 * The words of the build API, as its servers and clients of every age put them on the wire. The schemas are what our
 * server validates configs with and our client answers, what openapi.json is made of, and what tests hold our server
 * against.
 */

/** Empty texts come of null, which Go's programs take in a list of texts. */
const platformForm = new RegExp(`^(?:${platformPattern})?$`);

/** `com.openfaas.docker.config`, the file of an archive that names the image; of its keys the case does not matter. */
export const buildConfigSchema = z.object({
  image: z.string().optional().describe("Name of the image, with its registry and tag."),
  ref: z.string().optional().describe("The name that image had until 2023."),
  buildArgs: z.record(z.string(), z.string()).optional().describe("Build arguments of the Dockerfile."),
  platforms: z
    .array(z.string().regex(platformForm))
    .optional()
    .describe("Such as linux/arm64; the builder's own where absent or empty."),
  skipPush: z.boolean().optional().describe("Build, but do not push."),
});

/** The answer that comes once, at the end. */
export const buildDocumentSchema = z.object({
  log: z.array(z.string()).nullish().describe("Lines of the build's log; null where there was no build."),
  imageName: z.string().optional().describe("Name of the image, for clients from before 2023."),
  image: z.string().optional().describe("Name of the image; empty where there was no build."),
  status: z.string().describe('"success", or what failed in words.'),
  error: z.string().optional().describe("What failed; empty for a success."),
  digest: z.string().optional().describe("Of the image's manifest, sha256:..."),
  duration: z.number().optional().describe("Seconds."),
  fix: z.string().optional().describe("What to do about the error."),
});

/** One record of the streamed answer. */
export const buildRecordSchema = z.object({
  status: z
    .enum(["in_progress", "success", "failed"])
    .describe("The last record, and no other, has one that is not in_progress."),
  log: z.array(z.string()).nullish().describe("Lines that came since the record before."),
  image: z.string().optional().describe("Name of the image, in the last record."),
  error: z.string().optional().describe("What failed."),
  digest: z.string().optional().describe("Of the image's manifest, sha256:..."),
  duration: z.number().optional().describe("Seconds since the beginning."),
  queue: z.number().int().nonnegative().optional().describe("How many builds are before this one."),
});

/** What every refusal but those of POST /build says. */
export const faultSchema = z.object({
  error: z.string().describe("What is wrong, with what."),
  fix: z.string().describe("What to do about it."),
});

export const readySchema = z.object({
  ready: z.boolean(),
  parts: z.record(z.string(), z.string()).describe('"ok", or what is wrong, by the name of the part.'),
});

export const publicKeySchema = z.object({
  key_id: z.string().optional().describe("The first eight characters of the key."),
  algorithm: z.string().optional().describe("nacl/box"),
  public_key: z.string().describe("Base64 of 32 bytes."),
});

export const deliverySchema = z.object({
  delivery: z.string().describe("GitHub's id of the delivery."),
  event: z.string(),
  accepted: z.boolean().describe("Whether functions will be built."),
  message: z.string().describe("What will happen, or why nothing will."),
});

export type BuildConfigFile = z.infer<typeof buildConfigSchema>;
export type BuildDocument = z.infer<typeof buildDocumentSchema>;
export type BuildRecord = z.infer<typeof buildRecordSchema>;

/**
 * Parses one record of a streamed answer.
 * @returns undefined for what is none
 */
export function parseBuildRecord(text: string): BuildRecord | undefined {
  return parseAs(buildRecordSchema, text);
}

/**
 * Parses the answer that comes once.
 * @returns undefined for what is none
 */
export function parseBuildDocument(text: string): BuildDocument | undefined {
  return parseAs(buildDocumentSchema, text);
}

/** Parses what a server answers of its key for build secrets. @returns undefined for what is none */
export function parsePublicKey(text: string): z.infer<typeof publicKeySchema> | undefined {
  return parseAs(publicKeySchema, text);
}

/** Parses a refusal. @returns undefined for what is none */
export function parseFault(text: string): z.infer<typeof faultSchema> | undefined {
  return parseAs(faultSchema, text);
}

function parseAs<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
