import { BuilderError } from "../errors.ts";

/** An image's name, taken apart. */
export interface Reference {
  /** Host and port of the registry's API. */
  readonly host: string;
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
}

/** docker.io is a name; this is where its API answers. */
const dockerHubHost = "registry-1.docker.io";

const dockerHubNames: readonly string[] = ["docker.io", "index.docker.io", dockerHubHost];
const hostPattern = /^(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const digestPattern = /^sha256:[0-9a-f]{64}$/;

/**
 * Takes `[HOST[:PORT]/]PATH[:TAG][@DIGEST]` apart by Docker's rules: a first part without ".", ":" and other than
 * "localhost" is no host but an account of docker.io, a name without account belongs to `library/`, the tag is
 * `latest`, and a digest outdoes a tag.
 * @throws BuilderError `name_invalid`
 */
export function parseReference(image: string): Reference {
  const [named = "", digest] = image.split("@", 2);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const path = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? "latest" : named.slice(colon + 1);
  const { host, repository } = splitHost(path);
  const reference = digest ?? tag;
  const isValid =
    image.split("@").length <= 2 &&
    hostPattern.test(host) &&
    repository.length <= 255 &&
    repositoryPattern.test(repository) &&
    tagPattern.test(tag) &&
    (digest === undefined || digestPattern.test(digest));
  if (isValid) return { host, repository, reference };
  const message = `image name "${image.slice(0, 300)}" is not valid: expected [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]`;
  throw new BuilderError("name_invalid", message);
}

/** Whether a host stands for Docker Hub. */
export function isDockerHub(host: string): boolean {
  return dockerHubNames.includes(host.toLowerCase());
}

/** The host whose API answers for a registry's name. */
export function apiHost(host: string): string {
  return isDockerHub(host) ? dockerHubHost : host.toLowerCase();
}

/** Whether a host is this machine itself, which is reached over plain HTTP without anyone on the way. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, "").toLowerCase();
  return name === "localhost" || name === "[::1]" || /^127(?:\.[0-9]{1,3}){3}$/.test(name);
}

function splitHost(path: string): { host: string; repository: string } {
  const slash = path.indexOf("/");
  const first = path.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === "localhost";
  if (isHost && !isDockerHub(first)) return { host: first, repository: path.slice(slash + 1) };
  const rest = isHost ? path.slice(slash + 1) : path;
  return { host: dockerHubHost, repository: rest.includes("/") ? rest : `library/${rest}` };
}
