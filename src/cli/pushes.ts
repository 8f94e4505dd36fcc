import { openPushesClient, type ServerOptions } from "../compose/pushes-client.ts";
import type { ApiFunction, ApiPush, ApiPushDetail } from "../model/pushes-api.ts";
import { cleanLine, padText } from "../model/terminal-text.ts";
import { formatSeconds } from "./progress-numbers.ts";
import { createPaint, type Paint } from "./progress-paint.ts";
import { abortOnSignal } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

interface ListOptions extends ServerOptions {
  readonly owner?: string;
  readonly repository?: string;
  readonly branch?: string;
  readonly state?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

/** `of-builder pushes [ID]`: what was pushed, or one push with its functions. */
export async function pushes(id: string | undefined, options: ListOptions, world: World): Promise<number> {
  using interrupt = abortOnSignal();
  const client = await openPushesClient(options, { ...world, signal: interrupt.signal });
  const paint = paintOf(world);
  if (id !== undefined) {
    const push = await client.read(id);
    world.output.write(options.json ? `${JSON.stringify(push)}\n` : detailText(push, paint));
    return exitCodes.success;
  }
  const { owner, repository, branch, state, limit } = options;
  const filter = { owner, repository, branch, state, limit };
  const given = Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const list = await client.list(Object.fromEntries(given));
  if (options.json) world.output.write(`${JSON.stringify(list)}\n`);
  else world.output.write(list.pushes.map((push) => `${pushLine(push, paint)}\n`).join("") || "there are no pushes\n");
  return exitCodes.success;
}

interface LogOptions extends ServerOptions {
  readonly follow?: boolean;
}

/** `of-builder logs ID [FUNCTION]`: what the builds of a push print. @returns 1 where one failed */
export async function logs(
  { id, name }: { id: string; name: string | undefined },
  options: LogOptions,
  world: World,
): Promise<number> {
  using interrupt = abortOnSignal();
  const client = await openPushesClient(options, { ...world, signal: interrupt.signal });
  const functionsOf = async () =>
    name === undefined ? (await client.read(id)).functions.map((one) => one.name) : [name];
  const paint = paintOf(world);
  const show = async (one: string, prefix: string) => {
    const lines = options.follow ? client.followLog(id, one) : client.readLog(id, one);
    for await (const line of lines) world.output.write(`${prefix}${cleanLine(line)}\n`);
  };
  const names = options.follow ? await untilPlanned(client, id, functionsOf) : await functionsOf();
  const prefixOf = (one: string) => (name === undefined ? `${one} | ` : "");
  if (options.follow) await Promise.all(names.map((one) => show(one, prefixOf(one))));
  else for (const one of names) await show(one, prefixOf(one));
  if (!options.follow) return exitCodes.success;
  const push = await untilEnded(client, id);
  if (name === undefined) world.errors.write(`${pushLine(push, paint)}\n`);
  const ended = push.functions.filter((one) => name === undefined || one.name === name);
  const isBad = name === undefined ? push.state !== "success" : ended.some(({ state }) => badStates.has(state));
  return isBad ? exitCodes.failed : exitCodes.success;
}

/** `of-builder cancel ID`. */
export async function cancel(id: string, options: ServerOptions, world: World): Promise<number> {
  using interrupt = abortOnSignal();
  const result = await (await openPushesClient(options, { ...world, signal: interrupt.signal })).cancel(id);
  world.output.write(result === "cancelled" ? `push ${id} is cancelled\n` : `push ${id} had ended before\n`);
  return exitCodes.success;
}

interface RebuildOptions extends LogOptions {
  readonly force?: boolean;
  readonly function?: readonly string[];
}

/** `of-builder rebuild ID`: builds what a push brought once more, as a push of its own. */
export async function rebuild(id: string, options: RebuildOptions, world: World): Promise<number> {
  using interrupt = abortOnSignal();
  const client = await openPushesClient(options, { ...world, signal: interrupt.signal });
  const { force = false, function: functions } = options;
  const started = await client.rebuild(id, { force, ...(functions && { functions }) });
  world.output.write(`${started}\n`);
  return options.follow ? logs({ id: started, name: undefined }, options, world) : exitCodes.success;
}

type Client = Awaited<ReturnType<typeof openPushesClient>>;

const lookMs = 1000;
const badStates: ReadonlySet<string> = new Set(["failed", "error", "cancelled"]);

/** A push has functions once its stack was read, or none when it has ended. */
async function untilPlanned(client: Client, id: string, functionsOf: () => Promise<readonly string[]>) {
  for (;;) {
    const push = await client.read(id);
    if (push.functions.length > 0 || push.ended_at !== null) return functionsOf();
    await pause();
  }
}

async function untilEnded(client: Client, id: string): Promise<ApiPushDetail> {
  for (;;) {
    const push = await client.read(id);
    if (push.ended_at !== null) return push;
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, lookMs));
}

function paintOf({ output, env }: World): Paint {
  return createPaint(output.isTTY === true && !env.NO_COLOR);
}

function pushLine({ id, owner, repository, branch, sha, state, description, created_at: at }: ApiPush, paint: Paint) {
  const commit = `${owner}/${repository}@${sha.slice(0, 7)} ${branch}`;
  const words = [
    id,
    at.replace("T", " ").slice(0, 19),
    stateWord(state, paint),
    cleanLine(commit),
    cleanLine(description),
  ];
  return words.join("  ").trimEnd();
}

function detailText(push: ApiPushDetail, paint: Paint): string {
  const width = Math.max(0, ...push.functions.map(({ name }) => name.length));
  const rows = push.functions.map((one) => {
    const took = one.seconds === null ? "" : `  ${paint.dim(formatSeconds(one.seconds))}`;
    return `  ${stateWord(one.state, paint)}  ${paint.bold(padText(cleanLine(one.name), width))}  ${cleanLine(whatOf(one))}${took}`;
  });
  return `${[pushLine(push, paint), ...rows].join("\n")}\n`;
}

function whatOf({ image, digest, reason, step }: ApiFunction): string {
  if (reason !== "") return reason.split("\n", 1)[0] ?? "";
  return digest === "" ? step || image : `${image}@${digest}`;
}

function stateWord(state: string, paint: Paint): string {
  const word = padText(state, 9);
  if (["success", "built"].includes(state)) return paint.green(word);
  if (["failure", "failed", "error"].includes(state)) return paint.red(word);
  return ["queued", "running"].includes(state) ? paint.yellow(word) : paint.dim(word);
}
