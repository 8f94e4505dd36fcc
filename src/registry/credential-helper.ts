import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { BuilderError, messageOf } from "../errors.ts";

/** As the helper words it. */
export interface StoredSecret {
  readonly username: string;
  readonly secret: string;
}

const defaultLimitMs = 30_000;
const notFound = "credentials not found in native keychain";

/**
 * Asks a credential helper for what it stores under a key.
 *
 * Protocol (docker-credential-helpers): the program `docker-credential-NAME`, started with `get`, reads the key from
 * standard input and prints `{"Username": …, "Secret": …}`; where it knows nothing it prints "credentials not found
 * in native keychain" and ends with 1. The user name `<token>` stands for an identity token.
 * @param options.limitMs how long it may take, 30 s where absent; it is killed then, and all that it has started
 * @throws BuilderError `setting_invalid` when there is no such program, it fails, or is not done in time
 */
export async function askHelper(
  name: string,
  key: string,
  { limitMs = defaultLimitMs }: { limitMs?: number | undefined } = {},
): Promise<StoredSecret | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) throw fault(name, "its name is not that of a program");
  try {
    const { code, printed } = await runHelper(`docker-credential-${name}`, { key, limitMs });
    if (printed.includes(notFound)) return undefined;
    if (code !== 0) throw fault(name, `it ended with ${code}`);
    return parseAnswer(name, printed);
  } catch (error) {
    throw error instanceof BuilderError ? error : fault(name, messageOf(error));
  }
}

async function runHelper(
  command: string,
  { key, limitMs }: { key: string; limitMs: number },
): Promise<{ code: number | null; printed: string }> {
  // A group of its own: what a script has started holds its output open, and outlives the script.
  const child = spawn(command, ["get"], { stdio: ["pipe", "pipe", "ignore"], detached: true });
  const { promise: late, reject } = Promise.withResolvers<never>();
  const limit = setTimeout(() => {
    reject(new Error(`it was not done within ${limitMs / 1000} s`));
    endGroup(child.pid);
    child.stdout.destroy();
  }, limitMs);
  const ended = new Promise<number | null>((resolve, fail) => {
    child.once("error", fail);
    child.once("close", resolve);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(key);
  try {
    const [code, printed] = await Promise.race([Promise.all([ended, text(child.stdout)]), late]);
    return { code, printed };
  } finally {
    clearTimeout(limit);
  }
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of it has ended: only its output is held open elsewhere.
  }
}

function parseAnswer(name: string, printed: string): StoredSecret | undefined {
  const { Username: username, Secret: secret } = JSON.parse(printed) as Record<string, unknown>;
  if (typeof username !== "string" || typeof secret !== "string") throw fault(name, "its answer has no Secret");
  return username === "" && secret === "" ? undefined : { username, secret };
}

function fault(name: string, why: string): BuilderError {
  return new BuilderError("setting_invalid", `credential helper "${name}" of config.json cannot be used: ${why}`);
}
