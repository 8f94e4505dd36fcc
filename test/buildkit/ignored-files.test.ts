import { expect, test } from "vitest";
import { createMemoryContext, type Sketch } from "./memory-context.ts";
import { buildOnce } from "./one-build.ts";

/** Files that note when they are opened. */
function countedFiles(paths: readonly string[], opened: string[]): Record<string, Exclude<Sketch, string | Buffer>> {
  const counted = (path: string) => ({
    size: 4,
    open() {
      opened.push(path);
      let left = Buffer.from("text");
      return {
        read(target: Uint8Array) {
          const length = left.copy(target);
          left = left.subarray(length);
          return length;
        },
        close() {},
      };
    },
  });
  return Object.fromEntries(paths.map((path) => [path, counted(path)]));
}

test("M7 what .dockerignore leaves out is never opened, and what it does not is opened once", async () => {
  const sent = ["app.js", "deep/app.js", "node_modules/kept/index.js", "other-name"];
  const left = [
    ".env",
    "deep/.env",
    "node_modules/kept/other.js",
    "node_modules/left/index.js",
    "secret-key",
    "secrets/deep/er/key",
    "twins/first",
  ];
  const opened: string[] = [];
  const files = countedFiles([...sent, ...left], opened);
  const twin = { inode: "1:5" };
  const context = createMemoryContext({
    Dockerfile: "FROM busybox\nCOPY . /c\nRUN cd /c && rm Dockerfile .dockerignore && find . -type f | sort\n",
    ".dockerignore": "secret*\n**/.env\nnode_modules\n!node_modules/kept/index.js\ntwins\n",
    ...files,
    // Two names of one file, of which the first is left out.
    "twins/first": { ...files["twins/first"], ...twin },
    "other-name": { ...files["other-name"], ...twin },
  });
  const { error, output } = await buildOnce({ context, noCache: true });
  expect(error).toBeUndefined();
  expect(output.trim().split("\n")).toEqual(sent.map((path) => `./${path}`));
  expect(opened.sort()).toEqual(sent);
});

test.for([
  ["none", {}, "./app.js\n./x.log"],
  ["a .dockerignore", { ".dockerignore": "*.log\n" }, "./.dockerignore\n./app.js"],
  [
    "one of the Dockerfile's own",
    { ".dockerignore": "app.js\n", "Dockerfile.dockerignore": "*.log\n.dockerignore\n" },
    "./Dockerfile.dockerignore\n./app.js",
  ],
] as const)("what is left out comes with the Dockerfile, in no upload of its own: %s", async ([, files, left]) => {
  const Dockerfile = "FROM busybox\nCOPY . /c\nRUN cd /c && rm Dockerfile && find . -type f | sort\n";
  const context = createMemoryContext({ Dockerfile, "app.js": "", "x.log": "", ...files });
  const { error, output, events } = await buildOnce({ context, noCache: true });
  expect(error).toBeUndefined();
  expect(output.trim()).toBe(left);
  const names = new Set(events.flatMap((event) => (event.kind === "vertex" ? [event.name] : [])));
  expect([...names].filter((name) => name.includes("load ")).sort()).toEqual([
    "[internal] load build context",
    "[internal] load build definition from Dockerfile",
    "[internal] load metadata for docker.io/library/busybox:latest",
  ]);
});
