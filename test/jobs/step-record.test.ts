import { describe, expect, it } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { answerOf, recordOf, type StepRecord } from "../../src/jobs/step-record.ts";

describe("the record of a step", () => {
  it.each([[{ digest: "sha256:1" }], ["text"], [0], [null], [undefined], [[1, 2]]])("gives %j back", async (value) => {
    expect(answerOf(await stored(async () => value))).toEqual(value);
  });

  it("keeps a known error's code, message, place and fix", async () => {
    const location = { path: "fn/Dockerfile", line: 3 };
    const error = new BuilderError("build_failed", "RUN false failed\0", { location, fix: "Look there." });
    const record = await stored(() => Promise.reject(error));

    const thrown = catching(() => answerOf(record));
    expect(thrown).toBeInstanceOf(BuilderError);
    expect(thrown).toMatchObject({ code: "build_failed", message: "RUN false failed\0", location, fix: "Look there." });
    expect(thrown).toMatchObject({ http: 422, state: "failure", transient: false });
  });

  it("keeps every fault of a file", async () => {
    const location = { path: "stack.yml", line: 3, column: 5 };
    const faults = [{ message: "bad", location, excerpt: "3 | x: y\n  |    ^" }];
    const error = new BuilderError("stack_invalid", "stack.yml line 3: bad", { location, faults });
    const record = await stored(() => Promise.reject(error));
    expect(catching(() => answerOf(record))).toMatchObject({ location, faults });
    const plain = await stored(() => Promise.reject(new BuilderError("build_failed", "x")));
    expect(catching(() => answerOf(plain))).toMatchObject({ faults: [] });
  });

  it("keeps a bug's message and stack, and it is no BuilderError", async () => {
    const bug = new TypeError("x is not a function");
    const record = await stored(() => Promise.reject(bug));
    const thrown = catching(() => answerOf(record));
    expect(thrown).not.toBeInstanceOf(BuilderError);
    expect(thrown).toMatchObject({ message: "x is not a function", stack: bug.stack?.slice(0, 4000) });
  });

  it("takes whatever was thrown", async () => {
    const record = await stored(() => Promise.reject("just text"));
    expect(catching(() => answerOf(record))).toMatchObject({ message: "just text" });
  });

  it("refuses to keep an answer of more than 1 MiB", async () => {
    const record = await stored(async () => "x".repeat(1024 * 1024));
    expect(catching(() => answerOf(record))).toMatchObject({ message: expect.stringContaining("at most 1048576") });
  });

  it("lets through what is no end of the work", async () => {
    const lost = new Error("told elsewhere");
    await expect(recordOf(() => Promise.reject(lost), { unless: (error) => error === lost })).rejects.toBe(lost);
  });
});

/** What the database gives back of a record. */
async function stored(work: () => Promise<unknown>): Promise<StepRecord> {
  return JSON.parse(JSON.stringify(await recordOf(work)));
}

function catching(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}
