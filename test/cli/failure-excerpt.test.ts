import { expect, test } from "vitest";
import { createProgress } from "../../src/cli/progress.ts";
import { createFilesContext } from "../../src/contexts/files.ts";
import { BuilderError } from "../../src/errors.ts";
import { buildFunction } from "../../src/pipeline/build-function.ts";
import { failureOf } from "../../src/pipeline/run-function.ts";

const location = { path: "Dockerfile", line: 3 };
const lines = ["     1 | FROM busybox", "     2 | ENV a=b", "   > 3 | RUN exit 3", "     4 | CMD x"];

test.for([true, false])("a step that fails shows its lines of the Dockerfile, live: %j", async (live) => {
  const planned = { name: "bad", image: "r/bad:1", handler: "./bad", handlerFolder: "", copy: [], buildArgs: {} };
  const hands = {
    assemble: () => createFilesContext({ Dockerfile: { content: "FROM busybox\nENV a=b\nRUN exit 3\nCMD x\n" } }),
    build: () => Promise.reject(new BuilderError("build_failed", "step ended with exit code 3", { location })),
  };
  const tree = { folder: "/nowhere", context: createFilesContext({}) };
  const options = { signal: new AbortController().signal, onEvent: () => undefined };
  const building = buildFunction({ ...planned, platforms: [] } as never, { tree, hands }, options);
  const error = await building.catch((thrown: unknown) => thrown);
  let text = "";
  const write = (written: string) => {
    text += written;
  };
  const progress = createProgress({ write, live, columns: () => 80, rows: () => 24, color: false });
  progress.started("bad");
  const failure = failureOf(error, () => expect.unreachable());
  expect(failure).toMatchObject({ state: "failed", location: { path: "bad/Dockerfile", line: 3 } });
  progress.finished({ function: "bad", image: "r/bad:1", seconds: 1, ...failure });
  progress.close();
  for (const line of lines) expect(text).toContain(line);
});
