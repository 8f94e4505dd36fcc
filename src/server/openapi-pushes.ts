/** The operations below /api, as openapi.json has them. */

const parameter = (name: string, place: "path" | "query" | "header", description: string) => ({
  name,
  in: place,
  required: place === "path",
  description,
  schema: { type: "string" },
});

const json = (name: string, description: string) => ({
  description,
  content: { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } },
});

const security = [{ token: [] }];
const refusals = {
  "400": json("Fault", "The request is at fault."),
  "401": json("Fault", "The token is missing or wrong."),
  "403": json("Fault", "The token has not the scope."),
  "503": json("Fault", "The server has no tokens, or its database is away."),
};
const unknown = { "404": json("Fault", "There is no such push, or the token does not reach it.") };
const id = parameter("id", "path", "Id of the push.");

const listOperation = {
  summary: "The pushes of this installation, the newest first.",
  security,
  parameters: [
    parameter("owner", "query", "Only this owner's."),
    parameter("repository", "query", "Only those to repositories of this name."),
    parameter("branch", "query", "Only those to this branch."),
    parameter("state", "query", "Only those in this state."),
    parameter("after", "query", "Those before this one: next of the answer before."),
    parameter("limit", "query", "How many, 1 to 100; 30 where absent."),
  ],
  responses: { "200": json("PushList", "They are."), ...refusals },
};

const readOperation = {
  summary: "A push and its functions.",
  security,
  parameters: [id],
  responses: { "200": json("PushDetail", "It is."), ...refusals, ...unknown },
};

const logOperation = {
  summary: "The log of a function's build.",
  description:
    "text/plain: all of it so far. text/event-stream: lines as they come, until the function has ended, each event with the number of bytes up to its end as id; then one event end. An event retry says that the server is about to stop.",
  security,
  parameters: [
    id,
    parameter("name", "path", "Name of the function."),
    parameter("from", "query", "Bytes that are left out at the beginning."),
    parameter("Last-Event-ID", "header", "Id of the last event that arrived: the stream goes on behind it."),
  ],
  responses: {
    "200": {
      description: "It is.",
      content: { "text/plain": { schema: { type: "string" } }, "text/event-stream": { schema: { type: "string" } } },
    },
    ...refusals,
    ...unknown,
    "429": json("Fault", "Too many logs are followed at once."),
  },
};

const logLinkOperation = {
  summary: "The log of a function's build for a browser: the link that GitHub shows.",
  description: "It grows until the function has ended, or the server is about to stop.",
  parameters: [
    id,
    parameter("name", "path", "Name of the function."),
    parameter("key", "query", "The push's own: whoever has it may read the logs of this push."),
  ],
  responses: {
    "200": { description: "It is.", content: { "text/plain": { schema: { type: "string" } } } },
    "404": json("Fault", "There is no such log, or not any more."),
    "429": json("Fault", "Too many logs are followed at once."),
    "503": json("Fault", "The server's database is away."),
  },
};

const cancelOperation = {
  summary: "Cancel a push.",
  security,
  parameters: [id],
  responses: { "200": json("Cancel", "It is cancelled, or had ended before."), ...refusals, ...unknown },
};

const rebuildOperation = {
  summary: "Build what a push brought once more.",
  security,
  parameters: [id],
  requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/RebuildRequest" } } } },
  responses: { "202": json("Rebuild", "It will be built, as a push of its own."), ...refusals, ...unknown },
};

/** The paths below /api, and what shows of them without a token. */
export const pushPaths = {
  "/api/pushes": { get: listOperation },
  "/api/pushes/{id}": { get: readOperation },
  "/api/pushes/{id}/functions/{name}/log": { get: logOperation },
  "/logs/{id}/{name}": { get: logLinkOperation },
  "/api/pushes/{id}/cancel": { post: cancelOperation },
  "/api/pushes/{id}/rebuild": { post: rebuildOperation },
};

export const pushSecurity = {
  token: { type: "http", scheme: "bearer", description: "From of-builder token; with the scopes read and write." },
};
