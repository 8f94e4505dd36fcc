import type { RequestHandler } from "express";
import { BuilderError } from "../errors.ts";
import { boxAlgorithm } from "../model/sealed-file.ts";
import type { BoxKey } from "./box-keys.ts";

/**
 * Creates the handler of GET /publickey, which clients ask for the key that build secrets are to be sealed for:
 * `{key_id, algorithm, public_key}`.
 * @param hands.keys the newest one first, read anew for each request
 */
export function createPublicKeyRoute({ keys }: { keys(): Promise<readonly BoxKey[]> }): RequestHandler {
  return async (_request, response) => {
    const [newest] = await keys();
    if (!newest) {
      throw new BuilderError("not_configured", "this server has no key for build secrets", {
        fix: "Make one with of-builder keygen, and put it into the secrets' folder as build-secrets-key.",
      });
    }
    response.json({ key_id: newest.id, algorithm: boxAlgorithm, public_key: newest.publicKey });
  };
}
