import { BuilderError } from "../errors.ts";
import { SecretsService } from "./generated/secrets.ts";
import { status } from "./grpc-status.ts";
import { CallError, type CallHandler, unary } from "./session-calls.ts";

/** BuildKit's own clients refuse more. */
const maxSecretBytes = 500 * 1024;

/**
 * Answers the daemon's question for secrets, by exactly the ids given here. It asks for others, too (for tokens of git
 * hosts, for optional mounts), and takes "not found" for an answer.
 * @throws BuilderError `usage` where one is too long
 */
export function createSecrets(secrets: Readonly<Record<string, Uint8Array>>): [path: string, handler: CallHandler] {
  const known = new Map(Object.entries(secrets));
  for (const [id, { length }] of known) {
    if (length > maxSecretBytes)
      throw new BuilderError("usage", `secret "${id}" has ${length} bytes; expected at most ${maxSecretBytes}`);
  }
  const method = SecretsService.getSecret;
  const handler = unary(method, async ({ id }) => {
    const secret = known.get(id);
    if (secret === undefined) throw new CallError(status.NOT_FOUND, `there is no secret "${id}"`);
    return { data: Buffer.from(secret) };
  });
  return [method.path, handler];
}
