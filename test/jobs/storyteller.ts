import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { access } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { startEngine } from "../../src/jobs/engine.ts";
import { createLog } from "../../src/log.ts";
import type { Steps } from "../../src/pipeline/steps.ts";

/**
 * A process that tells stories until they have ended, and leaves traces in a folder:
 * - a line in `effects` for what each step does;
 * - with `kill`, it kills itself once before and once after what each step does, remembering that in a file;
 * - with `hold`, the step "hold" waits until the file `release` is there.
 */
const [databaseUrl = "", executorId = "", folder = "", story = "", mode = ""] = process.argv.slice(2);

const engine = await startEngine({
  databaseUrl,
  executorId,
  limits: { pushes: 4, pushesOfOwner: 4, functionsOfOwner: 0, functions: 4 },
  ownerOf: () => "alice",
  log: createLog("silent"),
  stories: {
    async push(_input: object, steps: Steps) {
      const plan = await steps.step("plan", () => effect("plan", ["a", "b"]));
      const built = await Promise.all(plan.map((name) => steps.branch("function", name, { name })));
      if (mode === "hold") await steps.step("hold", hold);
      await steps.sleep(20);
      const end = await steps.step("report", () => effect("report", "reported"));
      return { built, end };
    },
    async function({ name }: { name: string }, steps: Steps) {
      await steps.step("pending", () => effect(`${name} pending`, null));
      const digest = await steps.step("build", () => effect(`${name} build`, `digest of ${name}`));
      await steps.step("success", () => effect(`${name} success`, null));
      return digest;
    },
  },
});
for (;;) {
  const status = await engine.statusOf(story);
  if (status?.state === "ended" || status?.state === "failed") {
    console.log(JSON.stringify(status));
    break;
  }
  await wait(20);
}
await engine.stop({ limitMs: 10_000 });

async function effect<T>(name: string, answer: T): Promise<T> {
  dieOnce(`before ${name}`);
  appendFileSync(`${folder}/effects`, `${name}\n`);
  dieOnce(`after ${name}`);
  return answer;
}

function dieOnce(point: string): void {
  const mark = `${folder}/killed ${point}`;
  if (mode !== "kill" || existsSync(mark)) return;
  writeFileSync(mark, "");
  process.kill(process.pid, "SIGKILL");
}

async function hold(): Promise<void> {
  appendFileSync(`${folder}/effects`, "hold\n");
  while (await missing(`${folder}/release`)) await wait(20);
}

async function missing(path: string): Promise<boolean> {
  return access(path).then(
    () => false,
    () => true,
  );
}
