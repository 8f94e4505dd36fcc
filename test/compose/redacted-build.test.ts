import { expect, test } from "vitest";
import { redactedBuild } from "../../src/compose/redacted-build.ts";
import { BuilderError } from "../../src/errors.ts";
import type { BuildEvent } from "../../src/model/build-event.ts";
import { createRedactor } from "../../src/model/redaction.ts";

const own = "secret-of-the-server";
const given = "secret-of-the-build";
const log = (text: string, vertex = "v"): BuildEvent => ({ kind: "log", vertex, stream: "stdout", timestamp: 1, text });
const vertex = (completed?: number): BuildEvent => ({
  kind: "vertex",
  digest: "v",
  name: `RUN echo ${given}`,
  started: 1,
  completed,
  cached: false,
  error: "",
});

/** What is heard of a build that tells these events and fails with an error, where there is one. */
async function heard(events: readonly BuildEvent[], error?: Error) {
  const told: BuildEvent[] = [];
  const build = redactedBuild(
    async (_request, { onEvent }) => {
      for (const event of events) onEvent(event);
      if (error) throw error;
      return { digest: "sha256:x" };
    },
    async () => createRedactor([own]),
  );
  const request = { secrets: { token: Buffer.from(given) } } as never;
  const ended = await build(request, {
    signal: new AbortController().signal,
    onEvent: (event) => told.push(event),
  }).catch((fault: unknown) => fault);
  return { told, ended };
}

const textOf = (events: readonly BuildEvent[]) =>
  events.map((event) => (event.kind === "log" ? event.text : "")).join("");

test("K2 a build of POST /build prints neither the server's secrets nor its own, across chunks", async () => {
  const letters = [...`<${own}> <${given}>\n`].map((letter) => log(letter));
  const { told, ended } = await heard([vertex(), ...letters, vertex(2)]);
  expect(textOf(told)).toBe("<***> <***>\n");
  expect(JSON.stringify(told)).not.toMatch(/secret-of/);
  expect(ended).toEqual({ digest: "sha256:x" });
});

test("what was held back comes before its step's end, or at the end of the build", async () => {
  const { told } = await heard([vertex(), log("x secret-of"), vertex(2), log("y secret", "w")]);
  expect(told.map(({ kind }) => kind)).toEqual(["vertex", "log", "log", "vertex", "log", "log"]);
  expect(textOf(told)).toBe("x secret-ofy secret");
});

test("K2 a warning has no secret in its words and lines", async () => {
  const words = { message: own, detail: [given], excerpt: ` > 1 | ENV a=${given}` };
  const { told } = await heard([{ kind: "warning", vertex: "v", url: "", location: undefined, ...words }]);
  expect(told).toMatchObject([{ message: "***", detail: ["***"], excerpt: " > 1 | ENV a=***" }]);
});

test("K2 the words that a build fails with have no secret, and keep everything else", async () => {
  const location = { path: "Dockerfile", line: 3 };
  const { ended } = await heard(
    [],
    new BuilderError("build_failed", `it said ${given}`, {
      location,
      fix: "Mend it.",
      faults: [{ message: `it said ${given}`, location, excerpt: ` > 3 | RUN echo ${own} ${given}` }],
    }),
  );
  expect(ended).toMatchObject({
    code: "build_failed",
    message: "it said ***",
    location,
    fix: "Mend it.",
    faults: [{ message: "it said ***", location, excerpt: " > 3 | RUN echo *** ***" }],
  });
  const bug = new Error(given);
  expect((await heard([], bug)).ended).toBe(bug);
});

test("K2 names of what a step transfers, warnings and the lines that they show have no secret", async () => {
  const status: BuildEvent = {
    ...{ kind: "status", vertex: "v", id: `copying ${own}`, timestamp: 1, current: 1, total: 2 },
    ...{ started: undefined, completed: undefined },
  };
  const warning: BuildEvent = {
    ...{ kind: "warning", vertex: "v", message: `${given} is a secret`, detail: [own], url: `https://x/?${given}` },
    ...{ location: undefined, excerpt: `>>> ENV TOKEN=${given}` },
  };
  const { told } = await heard([status, warning]);
  expect(told).toMatchObject([
    { id: "copying ***" },
    { message: "*** is a secret", detail: ["***"], url: "https://x/?***", excerpt: ">>> ENV TOKEN=***" },
  ]);
});

test("K2 the lines at fault, and what is to be done about them, have no secret", async () => {
  const location = { path: "Dockerfile", line: 3 };
  const faults = [{ message: `no ${own}`, location, excerpt: `ENV TOKEN=${given}` }];
  const fault = new BuilderError("build_failed", "it failed", { location, faults, fix: `Leave out ${given}.` });
  const { ended } = await heard([], fault);
  expect(ended).toMatchObject({
    ...{ message: "it failed", location, fix: "Leave out ***." },
    faults: [{ message: "no ***", location, excerpt: "ENV TOKEN=***" }],
  });
});
