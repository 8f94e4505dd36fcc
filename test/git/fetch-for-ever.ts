/** Run by a test as a process of its own, which kills it: checks commits out, one after the other, until then. */
import { createGit } from "../../src/git/git.ts";
import { createLog } from "../../src/log.ts";

const [temporaryFolder = "", folder = "", url = "", ...shas] = process.argv.slice(2);
const git = createGit({
  temporaryFolder,
  allowHttp: true,
  environment: { PATH: process.env.PATH },
  kept: { folder, maxBytes: 1024 ** 3 },
  log: createLog("silent"),
});
const { signal } = new AbortController();
for (let turn = 0; ; turn++) {
  await using _checkout = await git.checkout({ url, sha: shas[turn % shas.length] ?? "" }, { signal });
}
