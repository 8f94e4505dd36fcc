import { expect, test } from "vitest";
import { createProgress } from "../../src/cli/progress.ts";
import { createFilesContext } from "../../src/contexts/files.ts";
import { BuilderError } from "../../src/errors.ts";
import { buildFunction } from "../../src/pipeline/build-function.ts";
import { failureOf } from "../../src/pipeline/run-function.ts";

const planned = { name: "bad", image: "r/bad:1", handler: "./bad", handlerFolder: "", copy: [], buildArgs: {} };

/** What is told of a build that fails with this error. */
async function told(error: Error, live: boolean) {
  const hands = { assemble: () => createFilesContext({}), build: () => Promise.reject(error) };
  const tree = { folder: "/nowhere", context: createFilesContext({}) };
  const options = { signal: new AbortController().signal, onEvent: () => undefined };
  const building = buildFunction({ ...planned, platforms: [] } as never, { tree, hands }, options);
  const failure = failureOf(await building.catch((thrown: unknown) => thrown), () => expect.unreachable());
  let text = "";
  const write = (written: string) => {
    text += written;
  };
  const progress = createProgress({ write, live, columns: () => 80, rows: () => 24, color: false });
  progress.started("bad");
  progress.finished({ function: "bad", image: "r/bad:1", seconds: 1, ...failure });
  progress.close();
  return { failure, text: text.replaceAll("\x1b[K", "") };
}

test.for([true, false])("a step that fails shows the lines of each of its places, live: %j", async (live) => {
  const message = "step ended with exit code 3";
  const location = { path: "Dockerfile", line: 3 };
  const faults = [
    { message, location, excerpt: "   2 | ENV a=b\n > 3 | RUN exit 3" },
    { message, location: { path: "docker/other", line: 1 }, excerpt: " > 1 | FROM busybox" },
    { message, location: { path: "../elsewhere", line: 9 }, excerpt: "" },
  ];
  const { failure, text } = await told(new BuilderError("build_failed", message, { location, faults }), live);
  expect(failure).toMatchObject({ state: "failed", location: { path: "bad/Dockerfile", line: 3 } });
  expect(text).toContain(`
  at bad/Dockerfile:3
  step ended with exit code 3
     2 | ENV a=b
   > 3 | RUN exit 3
  at bad/docker/other:1
   > 1 | FROM busybox
  at ../elsewhere:9
  →`);
});

test("a failure without a place stays what it is", async () => {
  const { failure } = await told(new BuilderError("buildkit_unreachable", "nobody there"), false);
  expect(failure).toMatchObject({ state: "error", reason: "nobody there" });
  expect(failure).not.toHaveProperty("location");
  expect(failure).not.toHaveProperty("excerpt");
});
