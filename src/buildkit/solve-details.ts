import type { Location } from "../errors.ts";
import type { Status } from "./generated/rpc-status.ts";
import { placeOf } from "./source-place.ts";

/** What BuildKit adds to a failure beside its message. */
export interface SolveDetails {
  /** Where in the Dockerfile; the path is as the build named it. */
  readonly location: Location | undefined;
  /** Digest of the step that failed. */
  readonly step: string | undefined;
  /** How the process of a RUN ended. */
  readonly exitCode: number | undefined;
}

const prefix = "github.com/moby/buildkit/";

/**
 * Reads the details that interest us. Each is JSON as Go writes it, zero fields left out; daemon stack traces and
 * kinds that a newer daemon may add are passed over.
 */
export function readDetails(failure: Status): SolveDetails {
  const details = new Map<string, unknown>();
  for (const { typeUrl, value } of failure.details) {
    const kind = typeUrl.replace(prefix, "");
    if (!details.has(kind)) details.set(kind, parseJson(value));
  }
  return {
    location: readLocation(details.get("errdefs.Source+json")),
    step: stringAt(details.get("errdefs.Vertex+json"), "digest"),
    exitCode: numberAt(details.get("gatewayapi.ExitMessage+json"), "Code"),
  };
}

function parseJson(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString("utf8"));
  } catch {
    return undefined;
  }
}

function readLocation(source: unknown): Location | undefined {
  const path = stringAt(at(source, "info"), "filename");
  const ranges = at(source, "ranges");
  if (path === undefined || !Array.isArray(ranges)) return undefined;
  const lineAt = (range: unknown, end: string) => numberAt(at(range, end), "line");
  return placeOf(
    path,
    ranges.map((range) => ({ start: lineAt(range, "start"), end: lineAt(range, "end") })),
  );
}

function at(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function stringAt(value: unknown, key: string): string | undefined {
  const found = at(value, key);
  return typeof found === "string" ? found : undefined;
}

function numberAt(value: unknown, key: string): number | undefined {
  const found = at(value, key);
  return typeof found === "number" ? found : undefined;
}
