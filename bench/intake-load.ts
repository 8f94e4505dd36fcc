import { Agent, request } from "node:http";
import { setTimeout as wait } from "node:timers/promises";

/** One request that is sent as it is. */
export interface Shot {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** How each shot was answered: its milliseconds from the moment at which it was due, and its status, 0 for none. */
export interface Hit {
  readonly ms: number;
  readonly status: number;
}

/**
 * Posts shots at a steady rate, whether or not earlier ones are answered, as GitHub does. A shot that leaves late
 * because this process was busy counts from when it was due, on whichever side.
 */
export async function shoot(
  url: string,
  shots: readonly Shot[],
  { perSecond, signal }: { perSecond: number; signal: AbortSignal },
): Promise<readonly Hit[]> {
  const agent = new Agent({ keepAlive: true, scheduling: "fifo" });
  const startedAt = performance.now() + 50;
  const flying: Promise<Hit>[] = [];
  try {
    for (const [index, shot] of shots.entries()) {
      const dueAt = startedAt + (index * 1000) / perSecond;
      const early = dueAt - performance.now();
      if (early > 1) await wait(early, undefined, { signal });
      flying.push(post(url, shot, { agent, dueAt }));
    }
    return await Promise.all(flying);
  } finally {
    agent.destroy();
  }
}

function post(url: string, { headers, body }: Shot, { agent, dueAt }: { agent: Agent; dueAt: number }): Promise<Hit> {
  return new Promise((resolve) => {
    const end = (status: number) => resolve({ ms: performance.now() - dueAt, status });
    const length = { "content-length": String(body.length) };
    const sent = request(url, { method: "POST", agent, headers: { ...headers, ...length } }, (answer) => {
      answer.resume();
      answer.on("end", () => end(answer.statusCode ?? 0));
      answer.on("error", () => end(0));
    });
    sent.on("error", () => end(0));
    sent.end(body);
  });
}

/** The value that so many of a hundred are not above. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? Number.NaN;
}
