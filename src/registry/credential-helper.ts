import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { BuilderError, messageOf } from "../errors.ts";

/** As the helper words it. */
export interface StoredSecret {
  readonly username: string;
  readonly secret: string;
}

const limitMs = 30_000;
const notFound = "credentials not found in native keychain";

/**
 * Asks a credential helper for what it stores under a key.
 *
 * Protocol (docker-credential-helpers): the program `docker-credential-NAME`, started with `get`, reads the key from
 * standard input and prints `{"Username": …, "Secret": …}`; where it knows nothing it prints "credentials not found
 * in native keychain" and ends with 1. The user name `<token>` stands for an identity token.
 * @throws BuilderError `setting_invalid` when there is no such program, it fails, or is not done within 30 s
 */
export async function askHelper(name: string, key: string): Promise<StoredSecret | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) throw fault(name, "its name is not that of a program");
  try {
    const { code, printed } = await runHelper(`docker-credential-${name}`, key);
    if (printed.includes(notFound)) return undefined;
    if (code !== 0) throw fault(name, `it ended with ${code}`);
    return parseAnswer(name, printed);
  } catch (error) {
    throw error instanceof BuilderError ? error : fault(name, messageOf(error));
  }
}

async function runHelper(command: string, key: string): Promise<{ code: number | null; printed: string }> {
  const child = spawn(command, ["get"], { stdio: ["pipe", "pipe", "ignore"], timeout: limitMs, killSignal: "SIGKILL" });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(key);
  const [code, printed] = await Promise.all([ended, text(child.stdout)]);
  return { code, printed };
}

function parseAnswer(name: string, printed: string): StoredSecret | undefined {
  const { Username: username, Secret: secret } = JSON.parse(printed) as Record<string, unknown>;
  if (typeof username !== "string" || typeof secret !== "string") throw fault(name, "its answer has no Secret");
  return username === "" && secret === "" ? undefined : { username, secret };
}

function fault(name: string, why: string): BuilderError {
  return new BuilderError("setting_invalid", `credential helper "${name}" of config.json cannot be used: ${why}`);
}
