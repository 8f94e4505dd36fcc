import { z } from "zod";
import packageJson from "../../package.json" with { type: "json" };
import {
  buildConfigSchema,
  buildDocumentSchema,
  buildRecordSchema,
  deliverySchema,
  faultSchema,
  publicKeySchema,
  readySchema,
} from "../model/build-api.ts";
import {
  cancelSchema,
  pushDetailSchema,
  pushListSchema,
  rebuildRequestSchema,
  rebuildSchema,
} from "../model/pushes-api.ts";
import { pushPaths, pushSecurity } from "./openapi-pushes.ts";

const schemas = {
  BuildConfig: buildConfigSchema,
  BuildDocument: buildDocumentSchema,
  BuildRecord: buildRecordSchema,
  Cancel: cancelSchema,
  Delivery: deliverySchema,
  Fault: faultSchema,
  PublicKey: publicKeySchema,
  PushDetail: pushDetailSchema,
  PushList: pushListSchema,
  Rebuild: rebuildSchema,
  RebuildRequest: rebuildRequestSchema,
  Ready: readySchema,
} as const;

const tarTypes = ["application/octet-stream", "application/x-tar", "application/gzip"];

/** Makes the OpenAPI 3.1 document of the whole HTTP surface. */
export function createOpenApi(): object {
  const components = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, schemaOf(schema)]));
  return {
    openapi: "3.1.0",
    info: {
      title: "of-builder",
      version: packageJson.version,
      license: { name: "MIT", identifier: "MIT" },
      description:
        "A path that is not here is answered with NoSuchPath, and a method with NoSuchMethod (of /healthz without a body): see components.responses.",
    },
    paths: {
      "/build": { post: buildOperation },
      "/publickey": { get: publicKeyOperation },
      "/public-key": { get: publicKeyOperation },
      "/github-event": { post: deliveryOperation },
      "/webhook": { post: deliveryOperation },
      ...pushPaths,
      "/ready": { get: readyOperation },
      "/healthz": { get: healthOperation },
      "/metrics": { get: metricsOperation },
      "/openapi.json": { get: documentOperation },
    },
    components: { schemas: components, responses: elsewhere, securitySchemes: pushSecurity },
  };
}

/** Unknown fields may come, from newer servers as from newer clients. */
function schemaOf(schema: z.ZodType): object {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input" });
  return rest;
}

function json(name: keyof typeof schemas, description: string): object {
  return { description, content: { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } } };
}

function each(codes: readonly string[], answer: object): Record<string, object> {
  return Object.fromEntries(codes.map((code) => [code, answer]));
}

const header = (name: string, description: string) => ({
  name,
  in: "header",
  required: false,
  description,
  schema: { type: "string" },
});

const record = { schema: { $ref: "#/components/schemas/BuildRecord" } };
/** Where legacy_status is set, what asks for no stream is answered as of-builder did: JSON or plain text by this type. */
const legacy = { "text/plain": { schema: { type: "string" } } };
const buildDocument = { schema: { $ref: "#/components/schemas/BuildDocument" } };
const buildOperation = {
  summary: "Build, and push, the image of an archive.",
  description:
    "The body is a tar archive, plain or packed with gzip, bzip2, xz or zstd: a folder context/ with a Dockerfile, and a file com.openfaas.docker.config (or config) that holds a BuildConfig.",
  parameters: [
    header("X-Build-Signature", "sha256= and HMAC-SHA256 of the body in hex; needed where there is a payload secret."),
    header("X-Build-Timestamp", "Seconds since 1970; where it is sent, TIMESTAMP.BODY is what is signed."),
    header("X-Cloud-Signature", "sha1= and HMAC-SHA1 of the body in hex, where allow_sha1 is set."),
    header("Accept", "application/x-ndjson or text/event-stream for a stream of records."),
  ],
  requestBody: {
    required: true,
    content: Object.fromEntries(tarTypes.map((type) => [type, { schema: { type: "string", format: "binary" } }])),
  },
  responses: {
    "200": {
      description: "The build went well; a stream also where it fails later.",
      content: {
        "application/json": buildDocument,
        "application/x-ndjson": record,
        "text/event-stream": record,
        ...legacy,
      },
    },
    ...each(["400", "401", "403", "408", "413", "422"], json("BuildDocument", "The request is at fault.")),
    ...each(["429"], json("BuildDocument", "Too many builds wait; see Retry-After.")),
    ...each(["502", "503"], json("BuildDocument", "The installation is at fault, or stops; see Retry-After.")),
    "500": {
      description: "The build failed, or the installation is at fault; with legacy_status every fault.",
      content: { "application/json": buildDocument, ...legacy },
    },
  },
};

const elsewhere = {
  NoSuchPath: json("Fault", "404: there is no such path."),
  NoSuchMethod: {
    ...json("Fault", "405: the path does not know the method."),
    headers: { Allow: { description: "The methods that it knows.", schema: { type: "string" } } },
  },
};

const publicKeyOperation = {
  summary: "The key that build secrets are to be sealed for.",
  responses: {
    "200": json("PublicKey", "The newest key."),
    ...each(["500", "503"], json("Fault", "This server has no key.")),
  },
};

const deliveryOperation = {
  summary: "GitHub's webhook.",
  parameters: [
    header("X-GitHub-Event", "The event's name."),
    header("X-GitHub-Delivery", "The delivery's id."),
    header("X-Hub-Signature-256", "sha256= and HMAC-SHA256 of the body in hex."),
  ],
  requestBody: { required: true, content: { "application/json": { schema: { type: "object" } } } },
  responses: {
    "202": json("Delivery", "Taken, and stored."),
    ...each(["400", "401", "413"], json("Fault", "The delivery is at fault; nothing is stored.")),
    ...each(["500", "503"], json("Fault", "The delivery could not be stored.")),
  },
};

const readyOperation = {
  summary: "Whether new work can be taken.",
  responses: { "200": json("Ready", "It can."), "503": json("Ready", "It cannot; the parts say why.") },
};

const healthOperation = {
  summary: "Whether the process answers.",
  responses: { "200": { description: "It does.", content: { "text/plain": { schema: { const: "OK" } } } } },
};

const metricsOperation = {
  summary: "Figures for Prometheus.",
  responses: {
    "200": { description: "Prometheus's text format.", content: { "text/plain": { schema: { type: "string" } } } },
  },
};

const documentOperation = {
  summary: "This document.",
  responses: {
    "200": { description: "OpenAPI 3.1.", content: { "application/json": { schema: { type: "object" } } } },
  },
};
