import { createHash } from "node:crypto";
import type { Deployment, Resources } from "./deployment.ts";

/*
 * What a stranger's stack may say of how a function runs, by OpenFaaS Cloud's rules. Labels decide which services,
 * network policies and quotas meet a pod, and annotations are read by whatever works in the cluster: of both only those
 * pass that are known to mean the function alone.
 */

const labels: readonly string[] = ["com.openfaas.scale.zero"];
const annotations: readonly string[] = [
  "topic",
  "schedule",
  "com.openfaas.health.http.path",
  "com.openfaas.health.http.initialDelay",
];
/** Kubernetes' names of secrets, without the "--" that stands behind an owner's hash. */
const secretName = /^(?!.*--)[a-z0-9](?:[-a-z0-9.]{0,61}[a-z0-9])?$/;
const quantity = /^[0-9]{1,9}(?:\.[0-9]{1,3})?(?:m|k|[MGT]|[KMGT]i)?$/;
const flag = /^(?:true|false)$/i;

/**
 * Leaves out of a pushed function's deployment what only the installation may say.
 * @returns the rest, and a sentence for each thing that was left out
 */
export function allowedDeployment(given: Deployment): { deployment: Deployment; refused: readonly string[] } {
  const refused: string[] = [];
  const leaveOut = (what: string, why: string) => {
    refused.push(`${what} is left out: ${why}`);
    return false;
  };
  const pick = (kind: string, map: Readonly<Record<string, string>>, allowed: readonly string[]) =>
    fromEntries(
      Object.entries(map).filter(([name, value]) => {
        if (!allowed.includes(name)) return leaveOut(`${kind} ${shown(name)}`, "a pushed stack may not set it");
        if (name !== "com.openfaas.scale.zero" || flag.test(value)) return true;
        return leaveOut(`${kind} ${shown(name)}`, `expected true or false, found ${shown(value)}`);
      }),
    );
  const resources = (kind: string, { memory, cpu }: Resources): Resources => ({
    memory: isQuantity(memory) || leaveOut(`${kind}.memory`, `${shown(memory)} is no quantity`) ? memory : "",
    cpu: isQuantity(cpu) || leaveOut(`${kind}.cpu`, `${shown(cpu)} is no quantity`) ? cpu : "",
  });
  if (given.namespace !== "") leaveOut(`namespace ${shown(given.namespace)}`, "the installation chooses it");
  if (given.constraints.length > 0) leaveOut("constraints", "the installation chooses where functions run");
  const deployment = {
    ...given,
    namespace: "",
    constraints: [],
    labels: pick("label", given.labels, labels),
    annotations: pick("annotation", given.annotations, annotations),
    secrets: given.secrets.filter(
      (name) => secretName.test(name) || leaveOut(`secret ${shown(name)}`, "it is no name of a secret"),
    ),
    limits: resources("limits", given.limits),
    requests: resources("requests", given.requests),
  };
  return { deployment, refused };
}

/**
 * The name in the cluster of a secret that an owner's function names. OpenFaaS Cloud's `OWNER-NAME` would let the owner
 * `alex` reach `alex-ellis`'s secret `key` as `ellis-key`: an owner with a dash is told apart by a hash.
 */
export function secretOfOwner(owner: string, name: string): string {
  const login = owner.toLowerCase();
  if (/^[a-z0-9]+$/.test(login)) return `${login}-${name}`;
  const hash = createHash("sha256").update(login).digest("hex").slice(0, 16);
  return `${login.replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "") || "x"}--${hash}-${name}`;
}

function isQuantity(text: string): boolean {
  return text === "" || quantity.test(text);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}

/** `__proto__` is a name like any other. */
function fromEntries(entries: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.assign(Object.create(null), Object.fromEntries(entries));
}
