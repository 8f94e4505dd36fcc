import { open } from "node:fs/promises";
import { BuilderError, messageOf } from "../errors.ts";
import { createKeyPair } from "../server/box-keys.ts";

/**
 * Makes a pair of keys for build secrets and writes them as base64: the private one to a file, which only its owner may
 * read, the public one beside it with `.pub` at its end. Nothing is ever written over.
 * @returns the id by which sealed files name the pair, and the second file
 * @throws BuilderError `usage` where one of the files cannot be made
 */
export async function writeKeyPair(file: string): Promise<{ id: string; publicFile: string }> {
  const { id, secretKey, publicKey } = createKeyPair();
  const publicFile = `${file}.pub`;
  await writeNew(publicFile, publicKey, 0o644);
  await writeNew(file, secretKey, 0o600);
  return { id, publicFile };
}

async function writeNew(file: string, text: string, mode: number): Promise<void> {
  try {
    await using handle = await open(file, "wx", mode);
    await handle.writeFile(text);
  } catch (cause) {
    throw new BuilderError("usage", `the key cannot be written: ${messageOf(cause)}`, {
      cause,
      fix: "Name a file that does not exist yet, in a folder that does.",
    });
  }
}
