import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import type { Log } from "../log.ts";

/** Whether an owner's pushes are built. */
export type IsCustomer = (owner: string) => Promise<boolean>;

const freshMs = 5 * 60 * 1000;
const fetchMs = 5_000;
const maxBytes = 10 * 1024 * 1024;
/** A login; a page that says that there is no list is none. */
const login = /^[a-z0-9][a-z0-9_-]{0,99}$/;

/**
 * Creates the question whether an owner is on the installation's list: of the file `customers_path`, read each time, so
 * that a change is in force at once, or else of `customers_url`. Of the address the last good copy counts while it
 * cannot be read, over restarts, too: it lies in the data folder. Nobody waits for it but the first who asks.
 * @returns undefined where there is no list: everybody's pushes are built
 */
export function createCustomers(config: Config, { log }: { log: Log }): IsCustomer | undefined {
  const { customersPath, customersUrl, dataFolder } = config;
  if (customersPath !== undefined) {
    return async (owner) => parseCustomers(await readFileList(customersPath)).has(owner.toLowerCase());
  }
  if (customersUrl === undefined) return undefined;
  const list = createCopiedList(customersUrl, { copy: join(dataFolder, "customers"), log });
  return async (owner) => (await list()).has(owner.toLowerCase());
}

async function readFileList(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new BuilderError("not_configured", `the list of owners "${file}" cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

type Customers = ReadonlySet<string>;

/** One owner a line; case and space around do not matter. */
function parseCustomers(text: string): Customers {
  return new Set(
    text
      .split("\n")
      .map((line) => line.trim().toLowerCase())
      .filter((line) => line !== ""),
  );
}

function createCopiedList(url: string, { copy, log }: { copy: string; log: Log }): () => Promise<Customers> {
  let known: Customers | undefined;
  let readAt = 0;
  let reading: Promise<Customers> | undefined;

  const read = async (): Promise<Customers> => {
    try {
      const text = await fetchList(url);
      known = parseCustomers(text);
      readAt = Date.now();
      await writeCopy(copy, text);
    } catch (error) {
      log.warn({ url, reason: messageOf(error) }, "the list of owners cannot be read: the last good copy counts");
      known ??= await readCopy(copy, { url, cause: error });
      readAt = Date.now();
    }
    return known;
  };
  const readOnce = () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };

  return async () => {
    if (known && Date.now() - readAt < freshMs) return known;
    const next = readOnce();
    if (!known) return next;
    next.catch(() => {});
    return known;
  };
}

/** Redirects are not followed: whoever runs the server named this address, and no other. */
async function fetchList(url: string): Promise<string> {
  const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(fetchMs) });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  const text = await answer.text();
  if (text.length > maxBytes) throw new Error(`longer than ${maxBytes} bytes`);
  const wrong = [...parseCustomers(text)].find((line) => !login.test(line));
  if (wrong !== undefined) throw new Error(`"${wrong.slice(0, 50)}" is no owner`);
  return text;
}

async function writeCopy(copy: string, text: string): Promise<void> {
  await mkdir(join(copy, ".."), { recursive: true });
  await writeFile(`${copy}.new`, text, { mode: 0o600 });
  await rename(`${copy}.new`, copy);
}

async function readCopy(copy: string, { url, cause }: { url: string; cause: unknown }): Promise<Customers> {
  try {
    return parseCustomers(await readFile(copy, "utf8"));
  } catch {
    throw new BuilderError("not_configured", `the list of owners "${url}" cannot be read, and there is no copy of it`, {
      cause,
    });
  }
}
