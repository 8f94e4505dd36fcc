import { examineApp, openSetupPages } from "../compose/setup.ts";
import { createLog } from "../log.ts";
import { cleanLine } from "../model/terminal-text.ts";
import { findingLines } from "./doctor.ts";
import { createPaint } from "./progress-paint.ts";
import { readServerConfig } from "./server-config.ts";
import { abortOnSignal } from "./signals.ts";
import { exitCodes, type World } from "./world.ts";

interface SetupOptions {
  readonly url?: string;
  readonly name: string;
  readonly organization?: string;
  readonly port: string;
  readonly config?: string;
}

/** `of-builder setup`: makes the GitHub App in the browser, or looks at the one that there is. @returns 0 where all is well */
export async function setup(options: SetupOptions, world: World): Promise<number> {
  using interrupt = abortOnSignal();
  const { signal } = interrupt;
  const env = options.url === undefined ? world.env : { ...world.env, public_url: options.url };
  const readConfig = () => readServerConfig(options.config, env);
  const config = await readConfig();
  const around = { log: createLog("silent"), signal };
  if (config.githubAppId === undefined) {
    const wishes = { name: options.name, organization: options.organization ?? "", port: Number(options.port) || 0 };
    await using pages = await openSetupPages(wishes, { ...around, config, readConfig });
    world.output.write(`Open this address in a browser on this machine (it is good once):\n\n  ${pages.address}\n\n`);
    world.output.write("Ctrl-C leaves; of-builder setup goes on where you were.\n");
    await Promise.race([pages.done, aborted(signal)]);
  }
  const { moved, findings } = await examineApp({
    ...around,
    config: await readConfig(),
    signal: AbortSignal.timeout(60_000),
  });
  const paint = createPaint(world.output.isTTY === true && !world.env.NO_COLOR);
  if (moved !== "") world.output.write(`GitHub delivered to ${cleanLine(moved)}; it delivers to this server now.\n`);
  for (const finding of findings) world.output.write(`${findingLines(finding, paint).join("\n")}\n`);
  return findings.some(({ state }) => state === "wrong") ? exitCodes.failed : exitCodes.success;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
