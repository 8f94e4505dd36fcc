import { type Deliveries, openDeliveries } from "../compose/deliveries.ts";
import { BuilderError } from "../errors.ts";
import { createLog } from "../log.ts";
import type { KnownDelivery } from "../model/known-delivery.ts";
import { cleanLine, padText } from "../model/terminal-text.ts";
import { createPaint, type Paint } from "./progress-paint.ts";
import { readServerConfig } from "./server-config.ts";
import { exitCodes, type World } from "./world.ts";

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

interface ListOptions extends Options {
  readonly limit: string;
  readonly owner?: string;
  readonly event?: string;
  readonly source?: string;
}

/** `of-builder deliveries list`: what arrived, by which way, and what became of it. */
export async function list({ limit, owner, event, source, ...options }: ListOptions, world: World): Promise<number> {
  const most = Number(limit);
  if (!Number.isInteger(most) || most < 1) throw new BuilderError("usage", `--limit "${limit}" is no number from 1 on`);
  return open(options, world, async (deliveries) => {
    const found = await deliveries.list({ limit: most, owner, event, source });
    const paint = createPaint(world.output.isTTY === true && !world.env.NO_COLOR);
    const text = found.map((one) => (options.json ? JSON.stringify(one) : listLine(one, paint)));
    world.output.write(text.map((line) => `${line}\n`).join("") || (options.json ? "" : "there are no deliveries\n"));
  });
}

/** `of-builder deliveries show GUID`. */
export async function show(guid: string, options: Options, world: World): Promise<number> {
  return open(options, world, async (deliveries) => {
    const { body, ...delivery } = await deliveries.read(guid);
    if (options.json) world.output.write(`${JSON.stringify({ ...delivery, payload: payloadOf(body) })}\n`);
    else world.output.write(`${detailLines(delivery).join("\n")}\n${prettyOf(body)}\n`);
  });
}

/** `of-builder deliveries replay GUID`. */
export async function replay(guid: string, options: Options, world: World): Promise<number> {
  return open(options, world, async (deliveries) => {
    const { guid: newGuid, decision } = await deliveries.replay(guid);
    if (options.json) world.output.write(`${JSON.stringify({ guid: newGuid, decision })}\n`);
    else world.output.write(`${newGuid}  ${cleanLine(decisionText(decision))}\n`);
  });
}

async function open(
  { config: file }: Options,
  world: World,
  work: (deliveries: Deliveries) => Promise<void>,
): Promise<number> {
  const config = await readServerConfig(file, world.env);
  await using deliveries = await openDeliveries(config, { log: createLog("silent") });
  await work(deliveries);
  return exitCodes.success;
}

function listLine(delivery: KnownDelivery, paint: Paint): string {
  const { guid, receivedAt, source, event, action, owner, repository, state, reason } = delivery;
  const about = owner === null ? "" : `${owner}${repository === null ? "" : `/${repository}`}`;
  const words = [
    guid,
    receivedAt.toISOString().replace("T", " ").slice(0, 19),
    padText(source, 7),
    stateWord(state ?? (delivery.accepted ? "waiting" : "ignored"), paint),
    cleanLine(action === null ? event : `${event}.${action}`),
    cleanLine(about),
    paint.dim(cleanLine(reason || delivery.description || "")),
  ];
  return words
    .filter((word) => word !== "")
    .join("  ")
    .trimEnd();
}

function detailLines(delivery: KnownDelivery): readonly string[] {
  const { guid, event, action, owner, repository, source, receivedAt, answer, attempts, run } = delivery;
  const rows: readonly (readonly [string, string | null])[] = [
    ["delivery", guid],
    ["event", action === null ? event : `${event}.${action}`],
    ["about", owner === null ? null : `${owner}${repository === null ? "" : `/${repository}`}`],
    ["received", `${receivedAt.toISOString()} by ${source}`],
    ["answer", source === "sweep" ? `GitHub noted: ${answer}` : answer],
    [
      "decision",
      `${delivery.accepted ? "accepted" : "ignored"}${delivery.reason === "" ? "" : `: ${delivery.reason}`}`,
    ],
    ["attempts", attempts > 1 ? String(attempts) : null],
    ["run", run],
    ["state", delivery.state && `${delivery.state}${delivery.description ? `: ${delivery.description}` : ""}`],
  ];
  return rows.flatMap(([name, value]) => (value ? [`${padText(name, 9)} ${cleanLine(value)}`] : []));
}

function stateWord(state: string, paint: Paint): string {
  const word = padText(state, 9);
  if (["success", "done"].includes(state)) return paint.green(word);
  if (["failure", "error", "refused", "failed"].includes(state)) return paint.red(word);
  return ["queued", "running", "waiting"].includes(state) ? paint.yellow(word) : paint.dim(word);
}

function decisionText(decision: Awaited<ReturnType<Deliveries["replay"]>>["decision"]): string {
  if (decision.kind === "push") return decision.skip ?? "accepted: it will be built";
  if (decision.kind === "command") return `accepted: ${decision.asked.command.kind}`;
  return decision.reason;
}

function payloadOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
}

/** Indented, and without what a terminal would obey: strings of JSON have those escaped. */
function prettyOf(body: Buffer): string {
  return JSON.stringify(payloadOf(body), undefined, 2).replaceAll(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
