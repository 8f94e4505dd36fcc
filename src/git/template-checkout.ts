import { BuilderError } from "../errors.ts";
import { type Checkout, type CheckoutWorld, findAbbreviated, openCheckout } from "./open-checkout.ts";
import type { Fetch } from "./repository.ts";
import { wantedCommit } from "./wanted.ts";

/** Opens the templates of a source. */
export type OpenTemplates = (fetch: Fetch, signal: AbortSignal) => Promise<Checkout>;

/**
 * Creates the way to templates. What a branch or tag was is remembered beside its commit: it counts for `refreshMs`,
 * and after that for as long as its server cannot be reached. Many who want the same at once cause one fetch.
 */
export function createTemplateCheckout(world: CheckoutWorld, { refreshMs }: { refreshMs: number }): OpenTemplates {
  const queue = createQueue();
  const open = async (fetch: Fetch, signal: AbortSignal): Promise<Checkout> => {
    if (fetch.wanted.commit !== undefined) return openCheckout(world, fetch, signal);
    const last = await readLast(world, fetch);
    if (last && isFresh(last, refreshMs)) return openCheckout(world, last.fetch, signal);
    return openNewest(world, fetch, signal).catch((error) => openLast(world, { last, error, signal }));
  };
  return (fetch, signal) => queue(`${fetch.url.href} ${fetch.wanted.shown}`, () => open(fetch, signal), signal);
}

/** What a ref was when it was fetched last. */
interface Last {
  readonly fetch: Fetch;
  readonly fetchedAtMs: number;
  readonly isForEver: boolean;
}

async function readLast(world: CheckoutWorld, fetch: Fetch): Promise<Last | undefined> {
  const { url, wanted } = fetch;
  const known = await world.mirrors?.readRef(url.href, wanted.shown);
  if (!known) return undefined;
  const isForEver = wanted.abbreviation !== undefined;
  return { fetch: { ...fetch, wanted: wantedCommit(known.commit) }, fetchedAtMs: known.fetchedAtMs, isForEver };
}

function isFresh({ fetchedAtMs, isForEver }: Last, refreshMs: number): boolean {
  const ageMs = Date.now() - fetchedAtMs;
  return isForEver || (ageMs >= 0 && ageMs < refreshMs);
}

async function openNewest(world: CheckoutWorld, fetch: Fetch, signal: AbortSignal): Promise<Checkout> {
  const { url, wanted } = fetch;
  const isWhole = wanted.abbreviation === undefined;
  const exact = isWhole ? fetch : { ...fetch, wanted: wantedCommit(await findAbbreviated(world, fetch, signal)) };
  const checkout = await openCheckout(world, exact, signal);
  const known = { commit: checkout.sha, fetchedAtMs: Date.now() };
  // Where nothing could be kept, there is nothing to remember either.
  await world.mirrors?.writeRef(url.href, wanted.shown, known).catch(() => {});
  return checkout;
}

/** Instead of what cannot be fetched now, if what it was last is still kept. */
async function openLast(
  world: CheckoutWorld,
  { last, error, signal }: { last: Last | undefined; error: unknown; signal: AbortSignal },
): Promise<Checkout> {
  if (!last || !(error instanceof BuilderError && error.transient)) throw error;
  const { url, wanted } = last.fetch;
  const mirror = await world.mirrors?.find(url.href);
  if (!mirror?.commits.includes(wanted.commit ?? "")) throw error;
  world.log.warn(
    { url: url.href, sha: wanted.commit, fetched: new Date(last.fetchedAtMs).toISOString() },
    `templates are the last that could be fetched: ${error.message}`,
  );
  return openCheckout(world, last.fetch, signal);
}

/** Lets work of one name run one after the other. */
function createQueue() {
  const tails = new Map<string, Promise<unknown>>();
  return async <T>(name: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    const before = tails.get(name);
    const left = Promise.withResolvers<void>();
    const tail = Promise.all([before, left.promise]);
    tails.set(name, tail);
    const stop = Promise.withResolvers<never>();
    const onAbort = () => stop.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([before, stop.promise]);
      return await work();
    } finally {
      signal.removeEventListener("abort", onAbort);
      left.resolve();
      if (tails.get(name) === tail) tails.delete(name);
    }
  };
}
