import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { deliverPayload, pushOfFolder } from "../compose/deliver.ts";
import { openDeliveries } from "../compose/deliveries.ts";
import type { Config } from "../config.ts";
import { BuilderError, messageOf } from "../errors.ts";
import { createLog } from "../log.ts";
import { cleanLine } from "../model/terminal-text.ts";
import { readServerConfig } from "./server-config.ts";
import { abortOnSignal } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

interface DeliverOptions {
  readonly to: string;
  readonly event?: string;
  readonly file?: string;
  readonly guid?: string;
  readonly secretFile?: string;
  readonly config?: string;
}

/**
 * `of-builder deliver`: signs and sends a sample, a payload of a file, or a delivery that is stored.
 * @param stored GUID of the stored one
 * @returns 0 where it was accepted
 */
export async function deliver(stored: string | undefined, options: DeliverOptions, world: World): Promise<number> {
  using interrupt = abortOnSignal();
  const { signal } = interrupt;
  const config = await readServerConfig(options.config, world.env);
  const secretFile = resolve(world.folder, options.secretFile ?? `${config.secretFolder}/github-webhook-secret`);
  const secret = await readText(secretFile, {
    fix: "Name the webhook's secret with --secret-file, or its folder in secret_mount_path.",
  });
  const sample = () => readSample(options, world, signal);
  const sent = stored === undefined ? await sample() : await readStored(stored, options, config);
  const guid = options.guid ?? stored;
  const signed = { ...sent, secret: secret.split("\n", 1)[0]?.trim() ?? "", ...(guid !== undefined && { guid }) };
  const answer = await deliverPayload(options.to, signed, { signal });
  world.output.write(`${answer.guid}  HTTP ${answer.status}  ${cleanLine(answer.message)}\n`);
  if (answer.accepted) world.errors.write(`What becomes of it: of-builder logs ${answer.guid} --follow\n`);
  return answer.status === 202 ? exitCodes.success : exitCodes.failed;
}

interface Payload {
  readonly event: string;
  readonly body: string | Buffer;
}

async function readStored(guid: string, { event, file }: DeliverOptions, config: Config): Promise<Payload> {
  if (event !== undefined || file !== undefined) {
    throw new BuilderError("usage", "a stored delivery has its event and payload: leave out --event and --file");
  }
  await using deliveries = await openDeliveries(config, { log: createLog("silent") });
  return await deliveries.read(guid);
}

async function readSample(
  { event = "push", file }: DeliverOptions,
  { folder }: World,
  signal: AbortSignal,
): Promise<Payload> {
  if (file !== undefined) return { event, body: await readText(resolve(folder, file)) };
  if (event === "ping")
    return { event, body: JSON.stringify({ zen: "Anything added dilutes everything else.", hook_id: 1 }) };
  if (event === "push") return { event, body: JSON.stringify(await pushOfFolder(folder, { signal })) };
  throw new BuilderError("usage", `there is no sample of the event "${event}"`, {
    fix: "Name its payload with --file.",
  });
}

async function readText(file: string, advice: { fix?: string } = {}): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code = messageOf(cause) } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : code;
    throw new BuilderError("usage", `cannot read "${file}": ${why}`, { cause, ...advice });
  }
}
