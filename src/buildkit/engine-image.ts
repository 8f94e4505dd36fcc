/*
 * Images in a Docker engine. Its BuildKit has an exporter of its own, "moby", which puts the image into the engine's
 * store under its names and does not push, whatever it is told. So the engine pushes: POST /images/NAME/push?tag=TAG
 * with X-Registry-Auth, base64url of {username, password, serveraddress} or {identitytoken}. The answer is 200 whatever
 * comes of it, and a stream of JSON values: {id, status, progressDetail: {current, total}} for each layer, at the end
 * {aux: {Digest}}, or {errorDetail: {message}}, which is a failure. Engine API 1.41, and newer ones.
 */
import { BuilderError } from "../errors.ts";
import type { BuildEvent } from "../model/build-event.ts";
import { askEngine, type Engine, followEngine } from "./engine-api.ts";
import type { ClientOutput, ImageOutput } from "./exporters.ts";
import { type Exporter, SolveRequest } from "./generated/control.ts";

/** What an engine shows a registry: the account whole, for it pushes by itself. */
export type FindAccount = (host: string) => Promise<{ username: string; password: string } | undefined>;

interface EngineBuild {
  readonly image: ImageOutput;
  readonly findAccount: FindAccount | undefined;
  readonly signal: AbortSignal;
  readonly onEvent: (event: BuildEvent) => void;
}

/**
 * Says a build in the words of an engine: images go into its store, and are pushed later.
 * @param outputs of the build, in the order of the request's exporters
 */
export function forEngine(request: SolveRequest, outputs: readonly ClientOutput[]): SolveRequest {
  const exporters = request.exporters.map((exporter, place) => {
    const output = outputs[place];
    const isOurs = output !== undefined && "isEngine" in output && output.isEngine === true;
    return isOurs || exporter.type === "image" ? intoStore(exporter) : exporter;
  });
  return SolveRequest.fromPartial({
    ...request,
    exporters,
    exporterDeprecated: exporters[0]?.type ?? "",
    exporterAttrsDeprecated: exporters[0]?.attrs ?? {},
  });
}

function intoStore({ attrs: given }: Exporter): Exporter {
  const { push: _push, "push-by-digest": _byDigest, "registry.insecure": _insecure, ...attrs } = given;
  return { type: "moby", attrs };
}

/**
 * Pushes an image that was built, where it is to be pushed.
 * @returns the digest that the registry has; of an image that is not pushed the engine's own id
 * @throws BuilderError `registry_denied`, `registry_unreachable`, `buildkit_unreachable`, `buildkit_refused`
 */
export async function finishInEngine(engine: Engine, build: EngineBuild): Promise<string | undefined> {
  const [first = ""] = build.image.names;
  if (!build.image.push) {
    const { Id: id } = await askEngine(engine, { method: "GET", path: `/images/${first}/json` }, build);
    return typeof id === "string" ? id : undefined;
  }
  const digests: (string | undefined)[] = [];
  for (const name of build.image.names) digests.push(await pushFromEngine(engine, name, build));
  return digests[0];
}

async function pushFromEngine(
  engine: Engine,
  name: string,
  { findAccount, signal, onEvent }: EngineBuild,
): Promise<string | undefined> {
  const { repository, tag, host } = partsOf(name);
  const path = `/images/${repository}/push?${new URLSearchParams({ tag })}`;
  const headers = { "x-registry-auth": encodeAccount(host, await findAccount?.(host)) };
  const step = createStep(name, onEvent);
  try {
    let digest: string | undefined;
    for await (const { errorDetail, aux, ...line } of followEngine(
      engine,
      { method: "POST", path, headers },
      { signal },
    )) {
      if (errorDetail !== undefined) throw refusal(name, textIn(errorDetail, "message"));
      if (aux !== undefined) digest = textIn(aux, "Digest") || digest;
      step.progress(line);
    }
    step.end("");
    return digest;
  } catch (error) {
    step.end(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

function partsOf(name: string): { repository: string; tag: string; host: string } {
  const colon = name.indexOf(":", name.lastIndexOf("/") + 1);
  const repository = colon < 0 ? name : name.slice(0, colon);
  const [first = ""] = repository.split("/");
  const isHost = repository.includes("/") && (/[.:]/.test(first) || first === "localhost");
  return { repository, tag: colon < 0 ? "latest" : name.slice(colon + 1), host: isHost ? first : "docker.io" };
}

function encodeAccount(host: string, account: Awaited<ReturnType<FindAccount>>): string {
  const { username = "", password = "" } = account ?? {};
  const isToken = username === "" && password !== "";
  const value = isToken ? { identitytoken: password } : { username, password, serveraddress: host };
  return Buffer.from(JSON.stringify(account === undefined ? {} : value)).toString("base64url");
}

/** The push as a step of the build, for whoever draws it. */
function createStep(name: string, onEvent: (event: BuildEvent) => void) {
  const started = Date.now();
  const vertex = `push:${name}`;
  const shown = { kind: "vertex", digest: vertex, name: `pushing ${name}`, started, cached: false } as const;
  onEvent({ ...shown, completed: undefined, error: "" });
  return {
    progress({ id, status, progressDetail }: Readonly<Record<string, unknown>>) {
      if (typeof id !== "string" || status !== "Pushing") return;
      const [current, total] = [numberIn(progressDetail, "current"), numberIn(progressDetail, "total")];
      const times = { started, completed: undefined, timestamp: Date.now() };
      onEvent({ kind: "status", vertex, id: `pushing ${id}`, current, total, ...times });
    },
    end(error: string) {
      onEvent({ ...shown, completed: Date.now(), error });
    },
  };
}

function refusal(name: string, why: string): BuilderError {
  const isDenied = /denied|unauthorized|authentication required|no basic auth|forbidden/i.test(why);
  const code = isDenied ? "registry_denied" : "registry_unreachable";
  return new BuilderError(code, `the Docker engine cannot push "${name}": ${why.slice(0, 300)}`);
}

function textIn(value: unknown, key: string): string {
  const found = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return typeof found === "string" ? found : "";
}

function numberIn(value: unknown, key: string): number {
  const found = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return typeof found === "number" ? found : 0;
}
