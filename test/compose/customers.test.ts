import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createCustomers } from "../../src/compose/customers.ts";
import { readConfig } from "../../src/config.ts";
import { createScratch, quiet } from "../database/scratch.ts";

interface Site {
  readonly url: string;
  /** What it answers next. */
  answer: { status: number; text: string; location?: string };
  asked: number;
}

async function site(): Promise<Site & { close(): Promise<void> }> {
  const state = { answer: { status: 200, text: "" } as Site["answer"], asked: 0 };
  const server: Server = createServer((_request, response) => {
    state.asked += 1;
    const { status, text, location } = state.answer;
    response.writeHead(status, location === undefined ? {} : { location }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  };
  onTestFinished(close);
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/CUSTOMERS`, close });
}

async function scene(given: Record<string, string>) {
  const { path, ...scratch } = await createScratch();
  onTestFinished(() => scratch[Symbol.asyncDispose]());
  const open = () => createCustomers(readConfig({ data_path: path, ...given }), { log: quiet });
  return { folder: path, open };
}

test("without a list everybody is a customer", async () => {
  expect((await scene({})).open()).toBeUndefined();
});

test("the list of customers_url counts, whatever the case, and is asked for once", async () => {
  const list = await site();
  list.answer = { status: 200, text: "Alice\r\n\n  bob \n" };
  const isCustomer = (await scene({ customers_url: list.url })).open();
  expect(await Promise.all(["alice", "BOB", "mallory", ""].map((owner) => isCustomer?.(owner)))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(list.asked).toBe(1);
});

test("the last good copy counts while the address fails, over a restart too", async () => {
  const list = await site();
  list.answer = { status: 200, text: "alice\n" };
  const { folder, open } = await scene({ customers_url: list.url });
  expect(await open()?.("alice")).toBe(true);
  expect(await readFile(join(folder, "customers"), "utf8")).toBe("alice\n");
  for (const answer of [
    { status: 500, text: "mallory" },
    { status: 200, text: "<html>Not found</html>" },
    { status: 404, text: "mallory" },
  ]) {
    list.answer = answer;
    const isCustomer = open();
    expect(await isCustomer?.("alice")).toBe(true);
    expect(await isCustomer?.("mallory")).toBe(false);
  }
  expect(await readFile(join(folder, "customers"), "utf8")).toBe("alice\n");
});

test("without a list that was ever read nobody is let in, and the fault says why", async () => {
  const list = await site();
  list.answer = { status: 404, text: "" };
  const { open } = await scene({ customers_url: list.url });
  await expect(open()?.("alice")).rejects.toMatchObject({
    code: "not_configured",
    message: `the list of owners "${list.url}" cannot be read, and there is no copy of it`,
  });
});

test("W16 the address of the list leads nowhere else", async () => {
  const other = await site();
  other.answer = { status: 200, text: "mallory\n" };
  const list = await site();
  list.answer = { status: 302, text: "", location: other.url };
  const { open } = await scene({ customers_url: list.url });
  await expect(open()?.("mallory")).rejects.toMatchObject({ code: "not_configured" });
  expect(other.asked).toBe(0);
});

test("customers_path wins over customers_url, and a change is in force at once", async () => {
  const { folder } = await scene({});
  const file = join(folder, "list");
  await writeFile(file, "alice\n");
  const isCustomer = createCustomers(
    readConfig({ data_path: folder, customers_path: file, customers_url: "http://127.0.0.1:1/" }),
    { log: quiet },
  );
  expect(await isCustomer?.("bob")).toBe(false);
  await writeFile(file, "bob\n");
  expect(await isCustomer?.("bob")).toBe(true);
});
