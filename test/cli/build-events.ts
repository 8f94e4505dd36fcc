import type { BuildEvent } from "../../src/model/build-event.ts";

/** When the daemon's clock begins in these stories, in Unix milliseconds: far from our own clock's 0. */
const epoch = 1_700_000_000_000;

type Vertex = Extract<BuildEvent, { kind: "vertex" }>;

/** A vertex as it is told when it starts; milliseconds count from the story's begin. */
export function started(name: string, atMs = 0): Vertex {
  const digest = `digest of ${name}`;
  return { kind: "vertex", digest, name, started: epoch + atMs, completed: undefined, cached: false, error: "" };
}

/** The same vertex as it is told when it ends. */
export function ended(
  name: string,
  { from = 0, to = 0, cached = false, error = "" }: { from?: number; to?: number; cached?: boolean; error?: string },
): Vertex {
  return { ...started(name, from), completed: epoch + to, cached, error };
}

/** A piece of what a vertex prints. */
export function printed(name: string, text: string, atMs = 0): BuildEvent {
  return { kind: "log", vertex: `digest of ${name}`, stream: "stdout", timestamp: epoch + atMs, text };
}

/** Bytes that a vertex moves. */
export function moved(
  name: string,
  id: string,
  { current = 0, total = 0, completed }: { current?: number; total?: number; completed?: number },
): BuildEvent {
  const vertex = `digest of ${name}`;
  return { kind: "status", vertex, id, current, total, started: epoch, completed, timestamp: epoch };
}
