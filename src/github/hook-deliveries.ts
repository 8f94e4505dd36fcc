import type { Octokit } from "@octokit/rest";
import { z } from "zod";
import type { NotedDelivery } from "../model/noted-delivery.ts";
import { isOfUse } from "./decide.ts";
import { isRequestError, speaking } from "./github-error.ts";
import { id, parseEvent, parseJson } from "./payload.ts";

/** What GitHub tells an App of its webhook. */
export interface HookDeliveries {
  /**
   * The attempts, newest first, page by page.
   * @throws BuilderError `github_failed`, `github_refused`, `setting_invalid`
   */
  pages(options: { signal: AbortSignal }): AsyncGenerator<readonly NotedDelivery[]>;
  /**
   * The payload of one, as JSON: what was sent, but not the very bytes. Undefined where GitHub does not have it any more.
   * @throws BuilderError `github_failed`, `github_refused`, `setting_invalid`
   */
  readPayload(id: string, options: { signal: AbortSignal }): Promise<Buffer | undefined>;
}

const perPage = 100;
const item = z.object({
  id,
  guid: z.string(),
  delivered_at: z.string(),
  status: z.string(),
  status_code: z.number(),
  event: z.string(),
  action: z.string().nullable(),
});
const items = z.array(item);
const detail = z.object({ request: z.object({ payload: z.record(z.string(), z.unknown()).nullable() }) });

/** Creates the way to the App's own notes of its webhook. @param asApp the App's own client */
export function createHookDeliveries(asApp: () => Promise<Octokit>): HookDeliveries {
  const list = (cursor: string | undefined, signal: AbortSignal) =>
    speaking("list the deliveries of the App's webhook", async () => {
      const answer = await (await asApp()).request("GET /app/hook/deliveries", {
        per_page: perPage,
        ...(cursor !== undefined && { cursor }),
        request: { signal, parseSuccessResponseBody: false },
      });
      return { told: await jsonOf(answer.data), next: nextCursor(answer.headers.link) };
    });

  return {
    async *pages({ signal }) {
      let cursor: string | undefined;
      do {
        const page = await list(cursor, signal);
        yield parseEvent(items, page.told).map(noted);
        cursor = page.next;
      } while (cursor !== undefined);
    },
    readPayload: (deliveryId, { signal }) =>
      speaking("show a delivery of the App's webhook", async () => {
        const answer = await (await asApp())
          .request("GET /app/hook/deliveries/{delivery_id}", {
            // Octokit writes text as it is, and a number beyond 2^53 would not be exact.
            delivery_id: deliveryId as unknown as number,
            request: { signal, parseSuccessResponseBody: false },
          })
          .catch(gone);
        if (!answer) return undefined;
        const { request } = parseEvent(detail, await jsonOf(answer.data));
        return Buffer.from(JSON.stringify(request.payload ?? {}));
      }),
  };
}

function gone(error: unknown): undefined {
  if (!isRequestError(error) || ![404, 410].includes(error.status)) throw error;
}

/** Octokit's own parser would round the ids. */
async function jsonOf(data: unknown): Promise<unknown> {
  return parseJson(new Uint8Array(await new Response(data as ReadableStream).arrayBuffer()));
}

function noted({ id: noteId, guid, event, action, ...told }: z.infer<typeof item>): NotedDelivery {
  return {
    id: noteId,
    guid,
    event,
    deliveredAt: new Date(told.delivered_at),
    answer: `${told.status_code} ${told.status}`,
    arrived: told.status_code >= 200 && told.status_code < 300,
    isOfUse: isOfUse({ event, action }),
  };
}

function nextCursor(link: string | undefined): string | undefined {
  const address = /<([^<>]+)>;\s*rel="next"/.exec(link ?? "")?.[1];
  return (address && URL.parse(address)?.searchParams.get("cursor")) ?? undefined;
}
