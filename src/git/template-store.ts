import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { findStored, parseTemplateStore, type StoredTemplate } from "../model/template-store.ts";

/** The list of templates that an address offers. */
export interface TemplateStore {
  /**
   * Takes no longer than the five seconds that the store has to answer.
   * @param name `NAME`, or `SOURCE/NAME` for that source's
   * @returns the address of a template's repository; undefined where the store does not have it
   * @throws BuilderError `checkout_failed` when the store neither answers nor ever did
   */
  find(name: string): Promise<string | undefined>;
}

interface StoreOptions {
  /** The address of the JSON list. */
  readonly url: string;
  /** Where the last good list is kept; absent: nowhere. */
  readonly folder?: string;
  readonly refreshMs: number;
  readonly log: Log;
}

interface Fetched {
  readonly templates: readonly StoredTemplate[];
  readonly fetchedAtMs: number;
}

const timeMs = 5000;
const maxBytes = 4 * 1024 * 1024;

/** Creates the way to a template store. Its list counts for `refreshMs`, and after that for as long as it is away. */
export function createTemplateStore(options: StoreOptions): TemplateStore {
  let last: Fetched | undefined;
  let loading: Promise<Fetched> | undefined;
  const load = async () => {
    last ??= await readKept(options);
    if (last && isFresh(last, options.refreshMs)) return last;
    last = await fetchList(options).catch((error) => insteadOf(error, last, options));
    return last;
  };
  return {
    async find(name) {
      loading ??= load().finally(() => {
        loading = undefined;
      });
      const { templates } = await loading;
      return findStored(templates, name)?.repo;
    },
  };
}

function isFresh({ fetchedAtMs }: Fetched, refreshMs: number): boolean {
  const ageMs = Date.now() - fetchedAtMs;
  return ageMs >= 0 && ageMs < refreshMs;
}

async function fetchList(options: StoreOptions): Promise<Fetched> {
  const text = await download(options.url);
  const fetched = { templates: parseTemplateStore(text), fetchedAtMs: Date.now() };
  await keep(text, fetched.fetchedAtMs, options).catch((error) =>
    options.log.warn({ url: options.url }, `the template store's list is not kept: ${messageOf(error)}`),
  );
  return fetched;
}

async function download(url: string): Promise<string> {
  const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(timeMs) });
  if (!answer.ok) {
    await answer.body?.cancel();
    throw new Error(`HTTP status ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function insteadOf(error: unknown, last: Fetched | undefined, { url, log }: StoreOptions): Fetched {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : "";
  const reason = `the template store ${url} cannot be read: ${messageOf(error)}${cause}`;
  if (!last) {
    throw new BuilderError("checkout_failed", reason, {
      cause: error,
      fix: "Correct template_store_url, or name the template's repository in configuration.templates.",
    });
  }
  log.warn({ fetched: new Date(last.fetchedAtMs).toISOString() }, `${reason}; its last good list is used`);
  return last;
}

interface KeptList {
  readonly fetchedAtMs: number;
  readonly text: string;
}

function placeOf(folder: string, url: string): string {
  return join(folder, `store-${createHash("sha256").update(url).digest("hex").slice(0, 16)}.json`);
}

async function keep(text: string, fetchedAtMs: number, { folder, url }: StoreOptions): Promise<void> {
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${placeOf(folder, url)}.${process.pid}`;
  await writeFile(draft, JSON.stringify({ fetchedAtMs, text } satisfies KeptList));
  await rename(draft, placeOf(folder, url));
}

async function readKept({ folder, url }: StoreOptions): Promise<Fetched | undefined> {
  if (folder === undefined) return undefined;
  try {
    const { fetchedAtMs, text } = JSON.parse(await readFile(placeOf(folder, url), "utf8")) as KeptList;
    return { templates: parseTemplateStore(text), fetchedAtMs };
  } catch {
    return undefined;
  }
}
