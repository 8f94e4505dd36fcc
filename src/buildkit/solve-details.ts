import type { Location } from "../errors.ts";
import { excerptOfLines } from "../model/line-excerpt.ts";
import type { Status } from "./generated/rpc-status.ts";
import { placeOf } from "./source-place.ts";

/** What BuildKit adds to a failure beside its message. */
export interface SolveDetails {
  /** Where in the files of the build, in the order in which the daemon tells it. */
  readonly sources: readonly Source[];
  /** Digest of the step that failed. */
  readonly step: string | undefined;
  /** How the process of a RUN ended. */
  readonly exitCode: number | undefined;
}

/** A place in a file of the build. */
export interface Source {
  /** The path is as the build named it. */
  readonly location: Location;
  /** Lines of the file's text, which comes with the failure: marked, few, harmless for a terminal; "" without text. */
  readonly excerpt: string;
}

const prefix = "github.com/moby/buildkit/";
const sourceKind = "errdefs.Source+json";
/** A frontend may tell as many as it likes, and a failure is stored. */
const maxSources = 5;

/**
 * Reads the details that interest us. Each is JSON as Go writes it, zero fields left out; daemon stack traces and
 * kinds that a newer daemon may add are passed over.
 */
export function readDetails(failure: Status): SolveDetails {
  const details = failure.details.map(({ typeUrl, value }) => ({ kind: typeUrl.replace(prefix, ""), value }));
  const first = (kind: string) => parseJson(details.find((detail) => detail.kind === kind)?.value);
  return {
    sources: readSources(details.filter(({ kind }) => kind === sourceKind).map(({ value }) => value)),
    step: stringAt(first("errdefs.Vertex+json"), "digest"),
    exitCode: numberAt(first("gatewayapi.ExitMessage+json"), "Code"),
  };
}

/** Each layer that an error goes through may tell its place, and several the same one. */
function readSources(values: readonly Buffer[]): readonly Source[] {
  const sources = new Map<string, Source>();
  for (const value of values) {
    const source = sources.size < maxSources ? readSource(parseJson(value)) : undefined;
    const key = JSON.stringify(source?.location);
    if (source && !sources.has(key)) sources.set(key, source);
  }
  return [...sources.values()];
}

function parseJson(value: Buffer | undefined): unknown {
  try {
    return value && JSON.parse(value.toString("utf8"));
  } catch {
    return undefined;
  }
}

function readSource(source: unknown): Source | undefined {
  const info = at(source, "info");
  const path = stringAt(info, "filename");
  const ranges = at(source, "ranges");
  if (path === undefined || !Array.isArray(ranges)) return undefined;
  const lineAt = (range: unknown, end: string) => numberAt(at(range, end), "line");
  const location = placeOf(
    path,
    ranges.map((range) => ({ start: lineAt(range, "start"), end: lineAt(range, "end") })),
  );
  const text = Buffer.from(stringAt(info, "data") ?? "", "base64").toString("utf8");
  return location && { location, excerpt: text === "" ? "" : excerptOfLines(text, location) };
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
