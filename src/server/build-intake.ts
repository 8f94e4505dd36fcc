import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { join } from "node:path";
import { BuilderError } from "../errors.ts";
import type { Context } from "../model/context.ts";
import { sealedFileName } from "../model/sealed-file.ts";
import type { BoxKey } from "./box-keys.ts";
import { type Pace, spoolBody } from "./build-body.ts";
import { type BuildConfig, configNames, parseBuildConfig } from "./build-config.ts";
import { type ClaimedSignature, type PayloadKey, readSignature } from "./build-signature.ts";
import { type BodyPrint, createPrintTaker } from "./build-twins.ts";
import type { ReplayGuard } from "./replay-guard.ts";
import { maxSecretsBytes, openSecrets } from "./sealed-secrets.ts";

export interface OpenedArchive {
  readonly context: Context;
  /** Files and folders, of which each takes memory for as long as the context is used. */
  readonly entries: number;
  /** Where it lies, unpacked. */
  readonly file: string;
  readFile(path: string, maxBytes: number): Promise<Buffer | undefined>;
}

export interface IntakeHands {
  /** The secrets that requests are signed with, read anew for each; while there is none, anyone can build. */
  keys(): Promise<readonly PayloadKey[]>;
  /** The keys that open build secrets, read anew; the newest one first. */
  boxKeys(): Promise<readonly BoxKey[]>;
  /** Indexes the archive of a build where it lies; one that is packed is unpacked into the folder first. */
  openArchive(file: string, options: { folder: string; maxBytes: number; signal: AbortSignal }): Promise<OpenedArchive>;
  readonly limits: {
    /** Of the body, packed and unpacked. */
    readonly maxBodyBytes: number;
    /** The least that has to come of a body. */
    readonly pace?: Pace;
  };
  /** Takes X-Cloud-Signature with SHA-1 too, as clients from 2018 to 2021 send it. */
  readonly allowSha1?: boolean;
  readonly replayGuard: ReplayGuard;
}

/** A request that may be built. */
export interface Intake {
  /** Whose request it is. */
  readonly client: string;
  readonly print: BodyPrint;
  /** Of the archive, unpacked. */
  readonly file: string;
  readonly config: BuildConfig;
  readonly context: Context;
  /** Of the archive. */
  readonly entries: number;
  readonly secrets: Readonly<Record<string, Uint8Array>>;
  /** For a request that comes to nothing: lets the same one come again. */
  letAgain(): void;
}

const maxConfigBytes = 1024 * 1024;

/**
 * Takes a request in: its body goes to a folder as it arrives and is signed for; only then it is opened and read.
 * @param options.folder empty, the request's own; the context is read from there for as long as it is used
 * @throws BuilderError when the request is at fault
 */
export async function takeRequest(
  request: IncomingMessage,
  hands: IntakeHands,
  { folder, signal }: { folder: string; signal: AbortSignal },
): Promise<Intake> {
  const { maxBodyBytes: maxBytes, pace } = hands.limits;
  const signature = await claimedSignature(request.headers, hands);
  const print = createPrintTaker();
  const onChunk = (chunk: Buffer) => {
    print.update(chunk);
    signature?.update(chunk);
  };
  const file = join(folder, "body");
  await spoolBody(request, file, { maxBytes, onChunk, signal, ...(pace && { pace }) });
  const { key, letAgain } = checkSigned(signature, hands);
  const client = key ?? request.socket.remoteAddress ?? "";
  try {
    if (print.bytes === 0) throw new BuilderError("body_invalid", "the body is empty: expected a tar archive");
    const archive = await hands.openArchive(file, { folder, maxBytes, signal });
    const config = await readConfig(archive);
    const secrets = await readSecrets(archive, hands);
    const { context, entries, file: plain } = archive;
    return { client, print: print.take(), file: plain, config, context, entries, secrets, letAgain };
  } catch (error) {
    letAgain();
    throw error;
  }
}

async function claimedSignature(
  headers: IncomingHttpHeaders,
  { keys: readKeys, allowSha1 = false }: IntakeHands,
): Promise<ClaimedSignature | undefined> {
  const keys = await readKeys();
  // With an empty key anyone could sign.
  if (keys.some(({ secret }) => secret === "")) throw new BuilderError("setting_invalid", "a payload secret is empty");
  return keys.length === 0 ? undefined : readSignature(headers, { keys, allowSha1, nowMs: Date.now() });
}

/** @returns whose signature it is; no key where none is asked for */
function checkSigned(
  signature: ClaimedSignature | undefined,
  { replayGuard }: Pick<IntakeHands, "replayGuard">,
): { key?: string; letAgain(): void } {
  if (!signature) return { letAgain: () => undefined };
  const { key, hex } = signature.check();
  return { key, letAgain: replayGuard.check({ hex, isStamped: signature.isStamped }) };
}

async function readConfig(archive: OpenedArchive): Promise<BuildConfig> {
  for (const name of configNames) {
    const bytes = await archive.readFile(name, maxConfigBytes);
    if (bytes) return parseBuildConfig(bytes.toString("utf8"));
  }
  throw new BuilderError("tar_invalid", `the archive has no file ${configNames.join(" or ")} at its root`, {
    fix: 'Add a file com.openfaas.docker.config that holds {"image": "REGISTRY/NAME:TAG"}.',
  });
}

async function readSecrets(archive: OpenedArchive, { boxKeys }: IntakeHands): Promise<Intake["secrets"]> {
  const bytes = await archive.readFile(sealedFileName, maxSecretsBytes);
  return bytes ? openSecrets(bytes.toString("utf8"), await boxKeys()) : {};
}
