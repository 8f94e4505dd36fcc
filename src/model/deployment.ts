import { knownFields } from "./known-keys.ts";
import { textList, textMap, type YamlValue } from "./yaml-value.ts";

/** What a stack says of how a function shall run; building does not look at it. As written; plain JSON. */
export interface Deployment {
  /** "" = the template's. */
  readonly fprocess: string;
  /** "" = the gateway's own. */
  readonly namespace: string;
  /** Inline; what `environmentFiles` say wins over it, later files over earlier ones. */
  readonly environment: Readonly<Record<string, string>>;
  /** Relative to the stack file, each with a map `environment`. */
  readonly environmentFiles: readonly string[];
  readonly secrets: readonly string[];
  readonly constraints: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly limits: Resources;
  readonly requests: Resources;
  readonly readonlyRootFilesystem: boolean;
}

/** Quantities in Kubernetes' form, such as 128Mi and 100m; "" = none. */
export interface Resources {
  readonly memory: string;
  readonly cpu: string;
}

/** Reads the part of a function that deploying needs. */
export function readDeployment(fields: { get(key: string): YamlValue | undefined }): Deployment {
  return {
    fprocess: fields.get("fprocess")?.text() ?? "",
    namespace: fields.get("namespace")?.text() ?? "",
    environment: textMap(fields.get("environment")),
    environmentFiles: textList(fields.get("environment_file")),
    secrets: textList(fields.get("secrets")),
    constraints: textList(fields.get("constraints")),
    labels: textMap(fields.get("labels")),
    annotations: textMap(fields.get("annotations")),
    limits: readResources(fields.get("limits")),
    requests: readResources(fields.get("requests")),
    readonlyRootFilesystem: fields.get("readonly_root_filesystem")?.flag() ?? false,
  };
}

function readResources(value: YamlValue | undefined): Resources {
  const fields = knownFields(value, ["memory", "cpu"]);
  return { memory: fields.get("memory")?.text() ?? "", cpu: fields.get("cpu")?.text() ?? "" };
}
