import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";

/** Which GitHub: each has a description of its own. */
export type Product = "api.github.com" | "ghes-3.17" | "ghes-3.18" | "ghes-3.19";

/**
 * GitHub's own description of its API, asked about single operations. The description has 13 MB: it is read once, and
 * only the schemas that an operation reaches are compiled, when it is first asked about.
 */
interface Description {
  readonly product: Product;
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

/** An operation by the names that GitHub's description has for it. */
interface Asked {
  readonly product: Product;
  readonly path: string;
  readonly method: string;
}

const descriptions = new Map<Product, Description>();
const validators = new Map<string, ValidateFunction>();
const ajv = new Ajv({ strict: false, allErrors: true, coerceTypes: false });
addFormats.default(ajv);

function read(product: Product): Description {
  const known = descriptions.get(product);
  if (known) return known;
  const ofGithub = import.meta.resolve("@octokit/openapi/generated/api.github.com.json");
  const text = readFileSync(new URL(`${product}.json`, ofGithub), "utf8");
  const description = { ...JSON.parse(text), product } as Description;
  descriptions.set(product, description);
  return description;
}

/** A fresh copy of one of the examples of github.com's description; other products' answers have the same form. */
export function exampleOf(name: string): Record<string, unknown> {
  const example = read("api.github.com").components.examples[name];
  if (!example) throw new Error(`GitHub's description has no example "${name}"`);
  return structuredClone(example.value) as Record<string, unknown>;
}

/**
 * Checks a request against its operation.
 * @param values of the path's parameters, as text
 * @returns what is wrong, "" when nothing is
 */
export function faultsOfRequest(
  asked: Asked,
  {
    values,
    query,
    headers,
    body,
  }: {
    values: Readonly<Record<string, string>>;
    query: URLSearchParams;
    headers: IncomingHttpHeaders;
    body: unknown;
  },
): string {
  const description = read(asked.product);
  const { parameters = [], requestBody } = operationOf(asked);
  const known = parameters.map((parameter) => dereference(parameter, description) as Parameter);
  const name = `${asked.method} ${asked.path}`;
  const texts = {
    path: values,
    query: Object.fromEntries(query),
    header: headers as Readonly<Record<string, string>>,
  };
  const content = requestBody && schemaOf(requestBody, description);
  return [
    ...known.map((parameter) => faultsOfParameter(parameter, { name, texts, description })),
    ...[...query.keys()]
      .filter((key) => !known.some((parameter) => parameter.in === "query" && parameter.name === key))
      .map((key) => `${name} has no parameter "${key}"`),
    content ? faultsOf(`${name} request`, content, { value: body ?? {}, description }) : "",
    faultsOfHeaders(name, headers),
  ]
    .filter((fault) => fault !== "")
    .join("; ");
}

function faultsOfParameter(
  { name, in: place, required = false, schema }: Parameter,
  how: { name: string; texts: Readonly<Record<string, Readonly<Record<string, string>>>>; description: Description },
): string {
  const text = how.texts[place]?.[place === "header" ? name.toLowerCase() : name];
  if (text === undefined) return required ? `${how.name} lacks ${place} ${name}` : "";
  const { type } = dereference(schema, how.description) as { type?: string };
  const value = type === "integer" ? Number(text) : type === "boolean" ? text === "true" : text;
  return faultsOf(`${how.name} ${place} ${name}`, schema, { value, description: how.description });
}

/**
 * What GitHub's pages say of headers; its description has none. It refuses who does not tell who they are, and takes a
 * body that it describes as JSON.
 */
function faultsOfHeaders(name: string, headers: IncomingHttpHeaders): string {
  const { accept = "*/*", "content-type": type = "", "content-length": length = "0" } = headers;
  if (!headers["user-agent"]) return `${name} lacks header user-agent`;
  if (!/^(\*\/\*|application\/(vnd\.github\S*\+)?json)/.test(accept)) return `${name} accepts ${accept}`;
  const isJson = /^application\/json\b/.test(type);
  return length !== "0" && !isJson ? `${name} has a body of type "${type}"` : "";
}

/**
 * Checks an answer against its operation. A failure that the operation does not mention must still be GitHub's basic
 * error.
 * @param options.isConditional whether the request asked by an ETag
 * @returns what is wrong, "" when nothing is
 */
export function faultsOfAnswer(
  asked: Asked,
  answer: { status: number; body: unknown; headers?: Readonly<Record<string, string>> },
  { isConditional = false } = {},
): string {
  const { status, body, headers = {} } = answer;
  const name = `${asked.method} ${asked.path}`;
  if (status === 304) return isConditional && body === undefined && headers.etag ? "" : `${name} has no reason for 304`;
  const description = read(asked.product);
  const described = operationOf(asked).responses[status];
  // That those who do not read are sent on with 307 is described for all of them at once.
  const isMove = status === 307 && asked.method !== "GET";
  if (!described && status < 400 && !isMove) return `${name} never answers ${status}`;
  if ([301, 302, 307].includes(status) && !URL.canParse(headers.location ?? ""))
    return `${name} ${status}: no location`;
  const schema = (described && schemaOf(described, description)) || { $ref: "#/components/schemas/basic-error" };
  return faultsOf(`${name} ${status}`, schema, { value: body, description });
}

function operationOf({ product, path, method }: Asked): Operation {
  const operation = read(product).paths[path]?.[method.toLowerCase()];
  if (!operation) throw new Error(`GitHub has no ${method} ${path}`);
  return operation;
}

function schemaOf(part: unknown, description: Description): object | undefined {
  const { content } = dereference(part, description) as { content?: Record<string, { schema: object }> };
  return content?.["application/json"]?.schema;
}

function faultsOf(
  name: string,
  schema: object,
  { value, description }: { value: unknown; description: Description },
): string {
  const key = `${description.product} ${name}`;
  let validate = validators.get(key);
  if (!validate) {
    const definitions: Record<string, unknown> = {};
    validate = ajv.compile({ ...(inline(schema, { definitions, description }) as object), definitions });
    validators.set(key, validate);
  }
  return validate(value) ? "" : `${name}: ${ajv.errorsText(validate.errors)}`;
}

interface Inlining {
  readonly definitions: Record<string, unknown>;
  readonly description: Description;
}

/** OpenAPI 3.0 to JSON Schema: shared schemas move along as definitions, `nullable` becomes a choice with null. */
function inline(schema: unknown, into: Inlining): unknown {
  if (Array.isArray(schema)) return schema.map((item) => inline(item, into));
  if (typeof schema !== "object" || schema === null) return schema;
  if ("$ref" in schema) return { $ref: `#/definitions/${define(String(schema.$ref), into)}` };
  const { nullable, example: _example, examples: _examples, ...rest } = schema as Record<string, unknown>;
  const plain = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, inline(value, into)]));
  return nullable === true ? { anyOf: [{ type: "null" }, plain] } : plain;
}

function define(reference: string, into: Inlining): string {
  const { definitions, description } = into;
  const name = reference.slice(reference.lastIndexOf("/") + 1);
  if (!(name in definitions)) {
    definitions[name] = true;
    definitions[name] = inline(resolve(reference, description), into);
  }
  return name;
}

function dereference(part: unknown, description: Description): unknown {
  const reference = (part as { $ref?: string }).$ref;
  return reference === undefined ? part : resolve(reference, description);
}

function resolve(reference: string, description: Description): unknown {
  const steps = reference.slice(2).split("/");
  return steps.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], description);
}
