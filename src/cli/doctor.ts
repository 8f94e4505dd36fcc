import { examine } from "../compose/doctor.ts";
import type { Finding } from "../compose/doctor-finding.ts";
import { readSurroundings } from "../config.ts";
import { createLog } from "../log.ts";
import { cleanLine } from "../model/terminal-text.ts";
import { createPaint, type Paint } from "./progress-paint.ts";
import { readServerConfig } from "./server-config.ts";
import { abortOnSignal } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

/** `of-builder doctor`. @returns 0 where nothing is wrong */
export async function doctor(options: { config?: string }, world: World): Promise<number> {
  const config = await readServerConfig(options.config, world.env);
  const paint = createPaint(world.output.isTTY === true && !world.env.NO_COLOR);
  using interrupt = abortOnSignal();
  const around = { surroundings: readSurroundings(world.env), log: createLog("silent"), signal: interrupt.signal };
  let isWrong = false;
  for await (const finding of examine(config, around)) {
    world.output.write(`${findingLines(finding, paint).join("\n")}\n`);
    isWrong ||= finding.state === "wrong";
  }
  return isWrong ? exitCodes.failed : exitCodes.success;
}

/** A finding as a terminal shows it. */
export function findingLines({ what, state, lines, fix }: Finding, paint: Paint): readonly string[] {
  const marks = { good: paint.green("✔"), doubtful: paint.yellow("!"), wrong: paint.red("✖") };
  const advice = fix === "" ? [] : fix.split("\n").map((line) => `  ${paint.yellow(`→ ${cleanLine(line)}`)}`);
  return [`${marks[state]} ${paint.bold(cleanLine(what))}`, ...lines.map((line) => `  ${cleanLine(line)}`), ...advice];
}
