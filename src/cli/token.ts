import { createApiToken } from "../compose/api-token.ts";
import { BuilderError } from "../errors.ts";
import { tokenScopes } from "../model/api-token.ts";
import { readServerConfig } from "./server-config.ts";
import { exitCodes, type World } from "./world.ts";

interface TokenOptions {
  readonly scope: string;
  readonly owner?: string;
  readonly config?: string;
}

/** `of-builder token NAME`: makes a token of the API, which is shown this once. */
export async function token(name: string, { scope, owner, config: file }: TokenOptions, world: World): Promise<number> {
  const scopes = scope.split(",");
  const known = tokenScopes.filter((candidate) => scopes.includes(candidate));
  if (known.length !== scopes.length) {
    throw new BuilderError("usage", `--scope "${scope}": expected ${tokenScopes.join(", ")} or both`);
  }
  const config = await readServerConfig(file, world.env);
  const made = await createApiToken(config.secretFolder, { name, scopes: known, ...(owner && { owner }) });
  world.errors.write(`${made.file} has its hash; the token itself is shown only now:\n`);
  world.output.write(`${made.token}\n`);
  return exitCodes.success;
}
