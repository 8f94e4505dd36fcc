import { join } from "node:path";
import type { EngineAddress } from "../buildkit/engine-load.ts";
import type { Given } from "../config.ts";
import { BuilderError } from "../errors.ts";

/** Where a Docker engine of this machine listens. */
const engineSocket = "docker:///var/run/docker.sock";

/**
 * Finds the Docker engine that a person uses, by the variables of Docker's own tools: DOCKER_HOST, and for TCP
 * DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (~/.docker where absent). Docker's contexts are not looked at.
 * @throws BuilderError `usage` for an address that is neither a socket's nor TCP's
 */
export function dockerHost(environment: Given): EngineAddress {
  const { DOCKER_HOST: host = "", DOCKER_TLS_VERIFY: verify = "", DOCKER_CERT_PATH: folder, HOME = "" } = environment;
  if (host === "") return { address: engineSocket };
  const [, scheme, place] = /^(unix|tcp):\/\/(.+)$/.exec(host) ?? [];
  if (scheme === undefined)
    throw new BuilderError("usage", `DOCKER_HOST="${host}": expected unix:///PATH or tcp://HOST:PORT`, {
      fix: "Forward the engine's socket to a local one (ssh -L), and name that.",
    });
  const address = `docker://${place}`;
  if (scheme === "unix" || verify === "") return { address };
  const file = (name: string) => join(folder ?? join(HOME, ".docker"), name);
  return { address, tls: { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") } };
}
