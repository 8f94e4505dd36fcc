import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";

/**
 * GitHub's own description of its API, asked about single operations. The description has 13 MB: it is read once, and
 * only the schemas that an operation reaches are compiled, when it is first asked about.
 */
interface Description {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly examples: Record<string, { value: unknown }> };
}

interface Operation {
  readonly parameters?: readonly unknown[];
  readonly requestBody?: unknown;
  readonly responses: Record<string, unknown>;
}

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: object;
}

let description: Description | undefined;
const validators = new Map<string, ValidateFunction>();
const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false });
addFormats.default(ajv);

function read(): Description {
  if (!description) {
    const file = fileURLToPath(import.meta.resolve("@octokit/openapi/generated/api.github.com.json"));
    description = JSON.parse(readFileSync(file, "utf8")) as Description;
  }
  return description;
}

/** A fresh copy of one of the description's examples. */
export function exampleOf(name: string): Record<string, unknown> {
  const example = read().components.examples[name];
  if (!example) throw new Error(`GitHub's description has no example "${name}"`);
  return structuredClone(example.value) as Record<string, unknown>;
}

/**
 * Checks a request against its operation.
 * @param values of the path's parameters, as text
 * @returns what is wrong, "" when nothing is
 */
export function faultsOfRequest(
  operation: { path: string; method: string },
  { values, body }: { values: Readonly<Record<string, string>>; body: unknown },
): string {
  const { parameters = [], requestBody } = operationOf(operation);
  const faults = parameters
    .map((parameter) => dereference(parameter) as Parameter)
    .filter((parameter) => parameter.in === "path")
    .map(({ name, schema }) => {
      const text = values[name] ?? "";
      const number = (dereference(schema) as { type?: string }).type === "integer";
      return faultsOf(`${operation.path} ${name}`, schema, number ? Number(text) : text);
    });
  const content = requestBody && schemaOf(requestBody);
  if (content) faults.push(faultsOf(`${operation.method} ${operation.path} request`, content, body ?? {}));
  return faults.filter((fault) => fault !== "").join("; ");
}

/**
 * Checks an answer against its operation. A failure that the operation does not mention must still be GitHub's basic
 * error.
 * @returns what is wrong, "" when nothing is
 */
export function faultsOfAnswer(
  operation: { path: string; method: string },
  { status, body }: { status: number; body: unknown },
): string {
  const described = operationOf(operation).responses[status];
  if (!described && status < 400) return `${operation.method} ${operation.path} never answers ${status}`;
  const schema = (described && schemaOf(described)) || { $ref: "#/components/schemas/basic-error" };
  return faultsOf(`${operation.method} ${operation.path} ${status}`, schema, body);
}

function operationOf({ path, method }: { path: string; method: string }): Operation {
  const operation = read().paths[path]?.[method.toLowerCase()];
  if (!operation) throw new Error(`GitHub has no ${method} ${path}`);
  return operation;
}

function schemaOf(part: unknown): object | undefined {
  const { content } = dereference(part) as { content?: Record<string, { schema: object }> };
  return content?.["application/json"]?.schema;
}

function faultsOf(name: string, schema: object, value: unknown): string {
  let validate = validators.get(name);
  if (!validate) {
    const definitions: Record<string, unknown> = {};
    validate = ajv.compile({ ...(inline(schema, definitions) as object), definitions });
    validators.set(name, validate);
  }
  return validate(value) ? "" : `${name}: ${ajv.errorsText(validate.errors)}`;
}

/** OpenAPI 3.0 to JSON Schema: shared schemas move along as definitions, `nullable` becomes a choice with null. */
function inline(schema: unknown, definitions: Record<string, unknown>): unknown {
  if (Array.isArray(schema)) return schema.map((item) => inline(item, definitions));
  if (typeof schema !== "object" || schema === null) return schema;
  if ("$ref" in schema) return { $ref: `#/definitions/${define(String(schema.$ref), definitions)}` };
  const { nullable, example: _example, examples: _examples, ...rest } = schema as Record<string, unknown>;
  const plain = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, inline(value, definitions)]));
  return nullable === true ? { anyOf: [{ type: "null" }, plain] } : plain;
}

function define(reference: string, definitions: Record<string, unknown>): string {
  const name = reference.slice(reference.lastIndexOf("/") + 1);
  if (!(name in definitions)) {
    definitions[name] = true;
    definitions[name] = inline(resolve(reference), definitions);
  }
  return name;
}

function dereference(part: unknown): unknown {
  const reference = (part as { $ref?: string }).$ref;
  return reference === undefined ? part : resolve(reference);
}

function resolve(reference: string): unknown {
  const steps = reference.slice(2).split("/");
  return steps.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], read());
}
