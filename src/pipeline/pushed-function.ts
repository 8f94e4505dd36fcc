import { posix } from "node:path";
import { BuilderError, type Fault } from "../errors.ts";
import { isReservedBuildArg, strangePackage } from "../model/build-arg-policy.ts";
import { type Context, readText } from "../model/context.ts";
import { allowedDeployment, secretOfOwner } from "../model/deployment-policy.ts";
import { faultAt } from "../model/faults.ts";
import type { StackFunction } from "../model/stack.ts";
import { readYaml } from "../model/yaml.ts";
import { textMap } from "../model/yaml-value.ts";
import { planFault } from "./plan-fault.ts";

/** A file of variables has some kilobytes; what all of them say is stored with the push. */
const maxFileBytes = 128 * 1024;
const maxLength = 512 * 1024;
const maxFiles = 200;
const maxWarnings = 20;

/** Reads a function of a pushed stack: without what only the installation may say, with all that running it will need. */
export type PushedReader = (definition: StackFunction) => Promise<StackFunction>;

/**
 * Creates the reader of one pushed stack.
 * @param given.owner whose secrets its functions may use; as written where absent
 * @param given.text the stack file's text, of which warnings show lines; warnings are added to `given.warnings`
 */
export function createPushedReader(
  context: Context,
  given: { owner: string | undefined; text: string; warnings: Fault[] },
): PushedReader {
  const readVariables = createVariablesReader(context);
  const warn = ({ name, location }: StackFunction, text: string) => {
    if (given.warnings.length >= maxWarnings) return;
    const message = `function ${name}: ${text}`;
    given.warnings.push(...faultAt(given.text, { code: "stack_invalid", message, location }).faults);
  };

  return async (definition) => {
    const buildArgs = allowedBuildArgs(definition, warn);
    const { deployment, refused } = allowedDeployment(definition.deployment);
    for (const sentence of refused) warn(definition, sentence);
    let { environment } = deployment;
    const environmentFiles: string[] = [];
    for (const path of deployment.environmentFiles) {
      const read = await readVariables(path);
      if ("variables" in read) environment = { ...environment, ...read.variables };
      else {
        environmentFiles.push(path);
        warn(definition, `environment_file "${path.slice(0, 200)}" is not read: ${read.fault}`);
      }
    }
    if (Object.keys(definition.buildSecrets).length > 0)
      warn(definition, "build_secrets of a pushed stack are not read");
    const { owner } = given;
    const secrets = deployment.secrets.map((name) => (owner === undefined ? name : secretOfOwner(owner, name)));
    return {
      ...definition,
      buildArgs,
      buildSecrets: {},
      deployment: { ...deployment, secrets, environment, environmentFiles },
    };
  };
}

/**
 * @param packages as ADDITIONAL_PACKAGE will say them
 * @param from where in the stack they come from
 * @throws BuilderError `stack_invalid` for packages that are none: a template's Dockerfile gives them to a shell
 */
export function checkPackages(definition: StackFunction, packages: string, from: string): void {
  const strange = strangePackage(packages);
  if (strange === undefined) return;
  const shown = JSON.stringify(strange.slice(0, 100));
  throw planFault(definition, `has ${from} with ${shown}, no package's name`);
}

function allowedBuildArgs(
  definition: StackFunction,
  warn: (definition: StackFunction, message: string) => void,
): Readonly<Record<string, string>> {
  checkPackages(definition, definition.buildArgs.ADDITIONAL_PACKAGE ?? "", "build argument ADDITIONAL_PACKAGE");
  const allowed: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(definition.buildArgs)) {
    if (!isReservedBuildArg(name)) allowed[name] = value;
    else warn(definition, `build argument "${name}" is left out: a pushed stack may not set it`);
  }
  return allowed;
}

/** What cannot be read is no fault: building does not need it. */
function createVariablesReader(context: Context) {
  let files = 0;
  let length = 0;
  return async (path: string): Promise<{ variables: Readonly<Record<string, string>> } | { fault: string }> => {
    if (++files > maxFiles) return { fault: `the stack names more than ${maxFiles}` };
    try {
      const file = posix.normalize(path);
      const text = await readFile(context, file);
      length += text.length;
      if (length > maxLength) return { fault: `all of them together say more than ${maxLength} characters` };
      return { variables: readYaml(text, file, (root) => textMap(root.fields().get("environment"))).value };
    } catch (error) {
      if (error instanceof BuilderError) return { fault: error.message };
      throw error;
    }
  };
}

async function readFile(context: Context, file: string): Promise<string> {
  if (/^(\.\.)?(\/|$)/.test(file)) throw new BuilderError("path_forbidden", "it lies outside of the repository");
  const text = await readText(context, file, maxFileBytes);
  if (text === undefined) throw new BuilderError("path_forbidden", "there is no such file");
  return text;
}
