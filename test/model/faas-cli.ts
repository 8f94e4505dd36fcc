import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";

/** The program that ours is held against, the first of FAAS_CLI; "" where there is none. */
export const faasCli = process.env.FAAS_CLI?.split(":")[0] ?? "";

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
