import { z } from "zod";
import { BuilderError } from "../errors.ts";

/** Sixteen digits are the least that a number beyond 2^53 has; those of a commit's name stand behind a quote or a letter. */
const mayHoldHugeNumber = /[:,[\s]\d{16}/;

export const id = z.union([z.number().int().nonnegative(), z.string().regex(/^[0-9]{1,20}$/)]).transform(String);
export const login = z.object({ login: z.string() });

/** What is read of a repository, wherever one stands in an event. */
const repository = z.object({
  id,
  name: z.string(),
  owner: login,
  private: z.boolean(),
  clone_url: z.string().max(2000),
  default_branch: z.string().optional(),
  /** Unix seconds in a push event, a text of ISO 8601 elsewhere. */
  pushed_at: z.union([z.number(), z.string()]).nullish().catch(undefined),
});

/** An event of a repository; of an App's webhook it says which installation it is for. */
export const ofRepository = z.object({ repository, installation: z.object({ id }).optional() });

/** What is read of every event. */
const anyEvent = z.object({
  action: z.string().max(100).optional().catch(undefined),
  repository: z
    .object({ name: z.string().max(200), owner: z.object({ login: z.string().max(200) }) })
    .optional()
    .catch(undefined),
  installation: z
    .object({ account: z.object({ login: z.string().max(200) }) })
    .optional()
    .catch(undefined),
});

export type AnyEvent = z.infer<typeof anyEvent>;
export type RepositoryEvent = z.infer<typeof ofRepository>;

/**
 * Parses the body of a delivery: JSON in UTF-8. Whole numbers beyond 2^53 become their decimal text.
 * @throws BuilderError `body_invalid`
 */
export function parseJson(body: Uint8Array): unknown {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    return mayHoldHugeNumber.test(text) ? JSON.parse(text, keepHugeNumber as Reviver) : JSON.parse(text);
  } catch (cause) {
    throw new BuilderError("body_invalid", "the body is not JSON in UTF-8", { cause });
  }
}

/**
 * Reads what every event may have.
 * @throws BuilderError `body_invalid` when the payload is no object
 */
export function parseAnyEvent(payload: unknown): AnyEvent {
  return parseEvent(anyEvent, payload);
}

/**
 * Reads what an event's schema names.
 * @throws BuilderError `body_invalid` that names the fields at fault
 */
export function parseEvent<T>(schema: z.ZodType<T>, payload: unknown): T {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".") || "the body"}: ${issue.message}`);
  throw new BuilderError(
    "body_invalid",
    `the payload is not what its event promises: ${faults.slice(0, 5).join("; ")}`,
    {
      cause: result.error,
    },
  );
}

/** Unix seconds of a time as GitHub writes it; 0 where there is none. */
export function secondsOf(time: number | string | null | undefined): number {
  const seconds = typeof time === "string" ? Date.parse(time) / 1000 : (time ?? 0);
  return Number.isFinite(seconds) ? Math.floor(seconds) : 0;
}

/** TypeScript does not know yet that a reviver is shown the source of a number. */
type Reviver = (key: string, value: unknown) => unknown;

function keepHugeNumber(_key: string, value: unknown, { source }: { source: string }): unknown {
  const unsafe = typeof value === "number" && !Number.isSafeInteger(value);
  return unsafe && /^\d+$/.test(source) ? source : value;
}
