import { resolve } from "node:path";
import { writeKeyPair } from "../compose/keygen.ts";
import { exitCodes, type World } from "./world.ts";

/** `of-builder keygen`: makes the keys that build secrets are sealed for. */
export async function keygen(options: { output: string }, world: World): Promise<number> {
  const file = resolve(world.folder, options.output);
  const { id, publicFile } = await writeKeyPair(file);
  world.output.write(`private key: ${file}\npublic key: ${publicFile}\nkey id: ${id}\n`);
  return exitCodes.success;
}
