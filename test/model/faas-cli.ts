import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { findProgram } from "../../src/parts/find-program.ts";

/** The programs that ours is held against: those of FAAS_CLI, paths separated by ":", else the one on PATH. */
export const faasClis = await findFaasClis(process.env);
/** The first of them; "" where there is none. */
export const faasCli = faasClis[0] ?? "";

/** An empty FAAS_CLI means none, even where one is on PATH. */
export async function findFaasClis({ FAAS_CLI, PATH = "" }: NodeJS.ProcessEnv): Promise<readonly string[]> {
  if (FAAS_CLI !== undefined) return FAAS_CLI.split(":").filter((path) => path !== "");
  const found = await findProgram("faas-cli", { path: PATH });
  return found === undefined ? [] : [found];
}

/** What faas-cli reads in a stack file: the functions as it would hand them to Kubernetes. */
export async function readWith(
  program: string,
  text: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<readonly Record<string, unknown>[]> {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  try {
    const file = join(folder, "stack.yml");
    await writeFile(file, text);
    const { stdout } = await promisify(execFile)(program, ["generate", "-f", file], {
      env: { ...variables, HOME: folder },
    });
    return stdout
      .split(/^---$/m)
      .filter((part) => part.trim() !== "")
      .map((part) => parse(part).spec);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What faas-cli makes of lines with expressions. */
export async function substituteWith(
  program: string,
  { lines, variables }: { lines: readonly string[]; variables: Readonly<Record<string, string>> },
): Promise<readonly (string | undefined)[]> {
  const values = lines.map((line, at) => `      K${at}: |-\n        <${line}>\n`);
  const text = `provider: {name: openfaas}\nfunctions:\n  a:\n    image: x\n    environment:\n${values.join("")}`;
  const [spec] = await readWith(program, text, variables);
  const environment = spec?.environment as Record<string, string> | undefined;
  return lines.map((_, at) => environment?.[`K${at}`]?.slice(1, -1));
}
