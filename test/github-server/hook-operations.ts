import type { NotedDelivery } from "./hook.ts";
import { exampleOf } from "./openapi.ts";
import { type Answer, type Call, type Operation, refusal, type World } from "./operation.ts";

/** What an App may ask about its webhook. */
export const hookOperations: readonly Operation[] = [
  { method: "GET", path: "/app/hook/deliveries", handle: listDeliveries },
  { method: "GET", path: "/app/hook/deliveries/{delivery_id}", handle: showDelivery },
  { method: "POST", path: "/app/hook/deliveries/{delivery_id}/attempts", handle: redeliver },
];

/** Newest first, page by page; a cursor is the id that its page begins with. */
function listDeliveries({ authorization, query }: Call, { auth, hook }: World): Answer {
  if (!auth.isApp(authorization)) return refusal(401, "A JSON web token could not be decoded");
  const perPage = Number(query.get("per_page") ?? 30);
  const newest = [...hook.noted].reverse();
  const cursor = query.get("cursor");
  const start = cursor === null ? 0 : newest.findIndex(({ id }) => cursor === `v1_${id}`);
  if (start < 0) return refusal(422, "The cursor is unknown");
  const next = newest[start + perPage];
  const link = `<https://api.github.com/app/hook/deliveries?per_page=${perPage}&cursor=v1_${next?.id}>; rel="next"`;
  return {
    status: 200,
    body: newest.slice(start, start + perPage).map(itemOf),
    ...(next && { headers: { link } }),
  };
}

function showDelivery({ authorization, values }: Call, { auth, hook }: World): Answer {
  if (!auth.isApp(authorization)) return refusal(401, "A JSON web token could not be decoded");
  const delivery = hook.noted.find(({ id }) => String(id) === values.delivery_id);
  if (!delivery) return refusal(404, "Not Found");
  const headers = { "X-GitHub-Event": delivery.event, "X-GitHub-Delivery": delivery.guid };
  const body = {
    ...itemOf(delivery),
    url: "https://builder.example.com/webhook",
    request: { headers, payload: delivery.payload },
    response: { headers: {}, payload: delivery.status },
  };
  return { status: 200, body };
}

/** GitHub says that it will, and does so afterwards. */
function redeliver({ authorization, values }: Call, { auth, hook }: World): Answer {
  if (!auth.isApp(authorization)) return refusal(401, "A JSON web token could not be decoded");
  const delivery = hook.noted.find(({ id }) => String(id) === values.delivery_id);
  if (!delivery) return refusal(404, "Not Found");
  void hook.redeliver(delivery);
  return { status: 202, body: {} };
}

function itemOf({ id, guid, event, deliveredAt, redelivery, statusCode, status, payload }: NotedDelivery) {
  const [example] = exampleOf("hook-delivery-items") as unknown as readonly object[];
  const { installation, repository } = payload as Record<string, { id: number } | undefined>;
  return {
    ...example,
    id,
    guid,
    delivered_at: deliveredAt.toISOString(),
    redelivery,
    status,
    status_code: statusCode,
    event,
    action: (payload.action as string | undefined) ?? null,
    installation_id: installation?.id ?? null,
    repository_id: repository?.id ?? null,
    throttled_at: null,
  };
}
