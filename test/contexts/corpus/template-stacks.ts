import { type CorpusStack, stack, type Thing, template } from "./stack-files.ts";

const one = (lang: string, handler = "./fn") => ({ one: { lang, handler } });
const sample = { "function/handler.js": "sample\n", "function/package.json": "{}\n" };

interface Templated {
  readonly template: Readonly<Record<string, Thing>>;
  readonly files: Readonly<Record<string, Thing>>;
  readonly copy?: readonly string[];
  readonly handlerFolder?: string;
}

const templated = (name: string, { template: own, files, copy = [], handlerFolder }: Templated): CorpusStack =>
  stack(name, { functions: one("node"), copy, files: { ...template("node", own, handlerFolder), ...files } });

/** Stacks whose functions lie in templates. */
export const templateStacks: readonly CorpusStack[] = [
  templated("a handler over a template", {
    template: sample,
    files: { "fn/handler.js": "mine\n", "fn/package.json": "{1}" },
  }),
  templated("samples that are not replaced stay", { template: sample, files: { "fn/other.js": "mine\n" } }),
  templated("links of the project that are neither the template's nor the function's", {
    template: sample,
    copy: ["shared/used"],
    files: {
      "fn/handler.js": "mine",
      result: { link: "/nix/store/gone" },
      "template/gone": { link: "nowhere" },
      "template/out": { link: "/etc" },
      "shared/gone": { link: "nowhere" },
      "shared/used": "used",
    },
  }),
  templated("a template without a sample", { template: {}, files: { "fn/handler.js": "mine" } }),
  templated("a template with all kinds of files", {
    template: {
      ...sample,
      ".dockerignore": "*.md\n",
      ".hidden/x": "x",
      "index.js": "index",
      "lib/deep/y": "y",
      "entry.sh": { content: "#!/bin/sh\n", mode: 0o755 },
      "README.md": "read me",
    },
    files: { "fn/handler.js": "mine" },
  }),
  templated("an ignore file of a handler lies in its folder", {
    template: {},
    files: { "fn/.dockerignore": "x", "fn/x": "x" },
  }),
  templated("a Dockerfile of a handler lies in its folder", {
    template: {},
    files: { "fn/Dockerfile": "FROM x", "fn/x": "x" },
  }),
  templated("folders of both are put together", {
    template: { "function/lib/a": "template", "function/lib/deep/b": "template", "function/only/c": "template" },
    files: { "fn/lib/a": "mine", "fn/lib/deep/d": "mine", "fn/mine/e": "mine" },
  }),
  templated("a template's own build and template folders stay", {
    template: { "build/x": "x", "template/y": "y", "function/build/z": "z", "function/template/w": "w" },
    files: { "fn/handler.js": "mine", "fn/build/left-out": "x", "fn/template/left-out": "x", "fn/sub/build/kept": "k" },
  }),
  templated("another folder for handlers", {
    template: { "src/sample": "s" },
    files: { "fn/x": "x" },
    handlerFolder: "src",
  }),
  templated("a folder for handlers far down", {
    template: { "a/x": "x" },
    files: { "fn/y": "y" },
    handlerFolder: "a/b/c",
  }),
  templated("a folder for handlers that is not there", {
    template: sample,
    files: { "fn/y": "y" },
    handlerFolder: "app",
  }),
  templated("a folder for handlers with a slash", { template: {}, files: { "fn/y": "y" }, handlerFolder: "./app/" }),
  ...[".", "./", "/", "a/.."].map((handlerFolder) =>
    templated(`the context's root as the folder for handlers: ${handlerFolder}`, {
      template: { ...sample, x: "template", "lib/a": "template", "build/b": "template", ".dockerignore": "template" },
      files: {
        "fn/x": "mine",
        "fn/lib/c": "mine",
        "fn/build/d": "left out",
        "fn/.dockerignore": "mine",
        "shared/e": "e",
      },
      copy: ["shared"],
      handlerFolder,
    }),
  ),
  ...["/app", "//app/", "/app/./src/../user"].map((handlerFolder) =>
    templated(`a folder for handlers with a slash before it: ${handlerFolder}`, {
      template: { ...sample, "app/y": "sample" },
      files: { "fn/y": "mine", "shared/e": "e" },
      copy: ["shared"],
      handlerFolder,
    }),
  ),
  templated("special bits of folders of a template and of copied paths", {
    template: {
      lib: { folder: 0o2755 },
      "lib/x": "x",
      tmp: { folder: 0o1777 },
      function: { folder: 0o2755 },
      "function/both": { folder: 0o6755 },
    },
    files: { fn: { folder: 0o2755 }, "fn/both": { folder: 0o755 }, "fn/y": "y", "shared/z": { folder: 0o3770 } },
    copy: ["shared"],
  }),
  templated("modes of a template", {
    template: {
      "run.sh": { content: "#!/bin/sh\n", mode: 0o755 },
      "key.pem": { content: "key", mode: 0o600 },
      lib: { folder: 0o700 },
      "lib/x": "x",
      open: { folder: 0o777 },
      "open/y": "y",
      function: { folder: 0o775 },
      "function/lib": { folder: 0o700 },
      "function/lib/x": "x",
    },
    files: { "fn/run": { content: "x", mode: 0o755 }, "fn/lib": { folder: 0o755 }, "fn/lib/y": "y" },
  }),
  templated("a mode is that of the file laid over", {
    template: { "function/run": { content: "sample", mode: 0o755 }, "function/quiet": "sample" },
    files: { "fn/run": "mine", "fn/quiet": { content: "mine", mode: 0o755 } },
  }),
  templated("empty folders of a template", { template: { "empty/deep": { folder: 0o755 } }, files: { "fn/x": "x" } }),
  templated("links in a template", {
    template: { "real/x": "x", linked: { link: "real" }, "function/x": { link: "../real/x" }, y: { link: "real/x" } },
    files: { "fn/handler.js": "mine" },
  }),
  stack("a template that shares files with another", {
    functions: one("node"),
    files: {
      ...template("base", { "lib/x": "x" }),
      ...template("node", { lib: { link: "../base/lib" } }),
      "fn/y": "y",
    },
  }),
  templated("links in a handler", {
    template: sample,
    files: {
      "shared/z": "z",
      "fn/z": { link: "../shared/z" },
      "fn/handler.js": { link: "z" },
      "fn/lib": { link: "../shared" },
    },
  }),
  templated("a copied folder", {
    template: sample,
    files: { "fn/x": "x", "shared/a/b": "b", "shared/c": "c" },
    copy: ["shared"],
  }),
  templated("a copied file", {
    template: sample,
    files: { "fn/x": "x", "go.mod": "module x", other: "no" },
    copy: ["go.mod"],
  }),
  templated("a copied folder far down", {
    template: {},
    files: { "fn/x": "x", "pkg/lib/util/a": "a", "pkg/lib/no": "no" },
    copy: ["pkg/lib/util"],
  }),
  templated("a copied file far down", {
    template: {},
    files: { "fn/x": "x", "pkg/lib/a": "a", "pkg/lib/no": "no" },
    copy: ["pkg/lib/a"],
  }),
  templated("copied paths with dots and slashes", {
    template: {},
    files: { "fn/x": "x", "shared/a": "a", "models/b": "b" },
    copy: ["./shared/", "models/../models"],
  }),
  templated("several copied paths", {
    template: {},
    files: { "fn/x": "x", "a/1": "1", "b/2": "2", c: "3" },
    copy: ["a", "b", "c", "a"],
  }),
  templated("a copied path over the handler's own", {
    template: { "function/shared/t": "template" },
    files: { "fn/shared/a": "handler", "fn/shared/h": "handler", "shared/a": "copied", "shared/c": "copied" },
    copy: ["shared"],
  }),
  templated("the handler copied beside itself", { template: {}, files: { "fn/x": "x" }, copy: ["fn"] }),
  templated("build and template in copied folders stay", {
    template: {},
    files: { "fn/x": "x", "shared/build/y": "y", "shared/template/z": "z" },
    copy: ["shared"],
  }),
  templated("links in copied folders", {
    template: {},
    files: { "fn/x": "x", "real/y": "y", "shared/y": { link: "../real/y" }, "shared/real": { link: "../real" } },
    copy: ["shared"],
  }),
  templated("a copied path that is a link", {
    template: {},
    files: { "fn/x": "x", "real/y": "y", shared: { link: "real" } },
    copy: ["shared"],
  }),
  templated("modes of copied paths", {
    template: {},
    files: {
      "fn/x": "x",
      "shared/run": { content: "x", mode: 0o755 },
      "shared/private": { folder: 0o700 },
      "shared/private/y": "y",
      key: { content: "k", mode: 0o600 },
    },
    copy: ["shared", "key"],
  }),
  stack("a template of a certain version", {
    functions: one("node@1.2"),
    files: {
      ...template("node@1.2", { ...sample, version: "1.2" }),
      ...template("node", { version: "latest" }),
      "fn/x": "x",
    },
  }),
  stack("functions of several languages", {
    functions: {
      "api-v1": { lang: "node", handler: "./api" },
      worker2: { lang: "python3", handler: "./worker" },
      raw: { handler: "./raw" },
    },
    copy: ["shared"],
    files: {
      ...template("node", sample),
      ...template("python3", { "function/handler.py": "sample", "index.py": "index" }),
      "api/handler.js": "api",
      "worker/handler.py": "worker",
      "raw/Dockerfile": "FROM scratch\n",
      "shared/x": "x",
    },
  }),
  stack("build arguments and options change no file", {
    functions: {
      one: { lang: "node", handler: "./fn", more: "    build_args:\n      A: b\n    build_options: [dev]\n" },
    },
    files: {
      ...template("node", sample),
      "template/node/template.yml": "language: node\nbuild_options:\n  - name: dev\n    packages: [make, git]\n",
      "fn/x": "x",
    },
  }),
  stack("a template's further keys change no file", {
    functions: one("node"),
    files: {
      ...template("node", sample),
      "template/node/template.yml":
        "language: node\nfprocess: node index.js\nwelcome_message: |\n  hello\nmount_ssh: true\n",
      "fn/x": "x",
    },
  }),
];
