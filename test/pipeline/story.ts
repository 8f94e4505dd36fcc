import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createDirectoryContext } from "../../src/contexts/directory.ts";
import { BuilderError } from "../../src/errors.ts";
import type { Push } from "../../src/model/push.ts";
import { type BuildNotes, type Report, type Status, statusOf } from "../../src/model/report.ts";
import { runFunction } from "../../src/pipeline/run-function.ts";
import type { PushHands } from "../../src/pipeline/run-push.ts";
import type { Steps } from "../../src/pipeline/steps.ts";
import { createTrees, type OwnedTree } from "../../src/pipeline/trees.ts";

export const push: Push = {
  delivery: "72d3162e-cc78-11e3-81ab-4c9367dc0958",
  kind: "push",
  owner: "Alice",
  repository: "fns",
  repositoryId: "1",
  installationId: "2",
  private: false,
  ref: "refs/heads/main",
  branch: "main",
  environment: "",
  sha: "1234567890123456789012345678901234567890",
  forced: false,
  pushedAt: 0,
  committedAt: 0,
  cloneUrl: "https://github.com/Alice/fns.git",
};

/** Texts and links, by their paths. */
export type Files = Readonly<Record<string, string | { readonly link: string }>>;

/** Writes files to a folder of their own, which disposing removes. It is read as a checkout is. */
export async function treeOf(files: Files): Promise<OwnedTree> {
  const folder = await mkdtemp(join(tmpdir(), "of-builder-test-"));
  for (const [path, file] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    if (typeof file === "string") await writeFile(join(folder, path), file);
    else await symlink(file.link, join(folder, path));
  }
  return {
    folder,
    committedAt: 0,
    context: createDirectoryContext(folder, { within: folder, links: "resolve" }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** Steps that remember in a map, as the durable engine does in its database; errors are remembered too. */
export function rememberingSteps(hands: PushHands, memory = new Map<string, unknown>(), prefix = ""): Steps {
  const steps: Steps = {
    async step(name, work) {
      const key = prefix + name;
      if (!memory.has(key)) memory.set(key, await settle(work({ signal: new AbortController().signal })));
      const kept = memory.get(key) as { value?: never; error?: unknown };
      if (kept.error) throw kept.error;
      return kept.value as never;
    },
    sleep: async () => {},
    branch: async (_story, id, input) =>
      (await runFunction(input as never, rememberingSteps(hands, memory, `${prefix}${id}/`), hands)) as never,
    get lasting() {
      return steps;
    },
  };
  return steps;
}

async function settle(work: Promise<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  try {
    const value = await work;
    return { value: value === undefined ? undefined : JSON.parse(JSON.stringify(value)) };
  } catch (error) {
    return { error };
  }
}

/** Hands that keep what they were told. `builds` answers each build in turn; without an answer it succeeds. */
export function recordingHands(files: Files, answers: Readonly<Record<string, readonly (Error | undefined)[]>> = {}) {
  const told: Status[] = [];
  const reports: Report[] = [];
  const kept: BuildNotes[] = [];
  const built: string[] = [];
  const bugs: unknown[] = [];
  const warnings: string[] = [];
  const attempts = new Map<string, number>();
  let open = 0;
  const openTree = async () => {
    const tree = await treeOf(files);
    open++;
    const dispose = tree[Symbol.asyncDispose];
    return {
      ...tree,
      async [Symbol.asyncDispose]() {
        await dispose();
        open--;
      },
    };
  };
  const hands: PushHands = {
    trees: createTrees({ checkout: openTree, checkoutTemplates: openTree }),
    reporter: {
      async tell(_push, report, { quiet }) {
        reports.push(report);
        if (!quiet) told.push(statusOf(report));
      },
      hear: () => {},
      keep: async (_push, _context, notes) => void kept.push(notes),
    },
    openLines: async () => ({ take: () => [], end: () => [] }),
    runs: {
      begin: async () => ({ order: "1" }),
      plan: async () => {},
      beginFunction: async () => {},
      endFunction: async () => ({}),
      end: async () => ({}),
    },
    backoff: [1000, 2000],
    stepLimitMs: 0,
    rulesFor: () => ({
      pushed: true,
      imageOf: ({ name }) => `registry:5000/alice/fns-${name}:latest-main-1234567`,
      dockerfileLang: true,
      templateUrls: ["https://templates.example/x.git"],
      allowsSource: (url) => url === "https://templates.example/x.git",
    }),
    assemble: ({ checkout }) => createDirectoryContext(checkout, { within: checkout, links: "resolve" }),
    async build({ image }) {
      const attempt = attempts.get(image) ?? 0;
      attempts.set(image, attempt + 1);
      const name = /fns-([^:]+):/.exec(image)?.[1] ?? "";
      const answer = answers[name]?.[attempt];
      if (answer) throw answer;
      built.push(name);
      return { digest: `sha256:${name}` };
    },
    log: {
      event: () => {},
      retry: () => {},
      refused: () => {},
      unrecorded: () => {},
      ended: () => {},
      warned: (_push, warning) => void warnings.push(warning.message),
      bug: (_push, error) => void bugs.push(error),
    },
  };
  return { hands, told, reports, kept, built, bugs, warnings, openTrees: () => open };
}

export const twoFunctions = {
  "stack.yml": `provider: {name: openfaas}
functions:
  one: {lang: dockerfile, handler: ./one, image: one}
  two: {lang: dockerfile, handler: ./two, image: two}
`,
};

export const buildkitDown = () => new BuilderError("buildkit_unreachable", "BuildKit at tcp://x:1 does not answer");
export const buildBroken = () =>
  new BuilderError("build_failed", "RUN false: exit code 1", { location: { path: "Dockerfile", line: 3 } });
