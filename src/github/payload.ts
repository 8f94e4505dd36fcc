import { z } from "zod";
import { BuilderError } from "../errors.ts";

/** Sixteen digits are the least that a number beyond 2^53 has. */
const mayHoldHugeNumber = /\d{16}/;

const id = z.union([z.number().int().nonnegative(), z.string().regex(/^[0-9]{1,20}$/)]).transform(String);

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

/** What is read of GitHub's `push` event. */
const pushEvent = z.object({
  ref: z.string(),
  after: z.string(),
  deleted: z.boolean(),
  repository: z.object({
    id,
    name: z.string(),
    owner: z.object({ login: z.string() }),
    private: z.boolean(),
    clone_url: z.string().max(2000),
    default_branch: z.string().optional(),
  }),
  installation: z.object({ id }).optional(),
  head_commit: z.object({ timestamp: z.string() }).nullish(),
});

export type AnyEvent = z.infer<typeof anyEvent>;
export type PushEvent = z.infer<typeof pushEvent>;

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
  return parseWith(anyEvent, payload);
}

/**
 * Reads a push event.
 * @throws BuilderError `body_invalid` that names the fields at fault
 */
export function parsePushEvent(payload: unknown): PushEvent {
  return parseWith(pushEvent, payload);
}

/** TypeScript does not know yet that a reviver is shown the source of a number. */
type Reviver = (key: string, value: unknown) => unknown;

function keepHugeNumber(_key: string, value: unknown, { source }: { source: string }): unknown {
  const unsafe = typeof value === "number" && !Number.isSafeInteger(value);
  return unsafe && /^\d+$/.test(source) ? source : value;
}

function parseWith<T>(schema: z.ZodType<T>, payload: unknown): T {
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
