import { Pool } from "pg";
import { startEngine } from "../../src/jobs/engine.ts";
import { createLog } from "../../src/log.ts";
import type { Steps } from "../../src/pipeline/steps.ts";

/**
 * A process that tells stories of pushes of several functions, for ever. What a function does is counted in the database:
 * `begun` has a row for each, with how many of its owner were being done at that moment, itself included.
 */
const [databaseUrl = "", executorId = "", max = "", functions = ""] = process.argv.slice(2);

const counting = new Pool({ connectionString: databaseUrl });

interface Work {
  readonly push: { readonly owner: string; readonly delivery: string };
  readonly name: string;
}

await startEngine<Work, Work>({
  databaseUrl,
  executorId,
  limits: { pushes: 8, pushesOfOwner: 4, functionsOfOwner: Number(max), functions: 6 },
  ownerOf: ({ push }) => push.owner,
  log: createLog("silent"),
  stories: {
    async push({ push }: Work, steps: Steps) {
      const names = Array.from({ length: Number(functions) }, (_, index) => `f${index}`);
      return Promise.all(names.map((name) => steps.branch("function", name, { push, name })));
    },
    function: ({ push, name }: Work, steps: Steps) =>
      steps.step("build", async () => {
        const id = `${push.delivery}/${name}`;
        await counting.query("select begin_doing($1, $2, $3)", [id, push.owner, executorId]);
        await new Promise((resolve) => setTimeout(resolve, 30));
        await counting.query("delete from doing where id = $1", [id]);
      }),
  },
});
console.log("ready");
