import { chmod, mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { createFunctionContext } from "../../src/contexts/function-context.ts";
import { unixPermissions } from "../../src/contexts/go-mode.ts";
import { createScratch, listAll, pathsOf, textOf } from "./scratch.ts";

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

const templateFiles = {
  "templates/template/node/Dockerfile": "FROM node",
  "templates/template/node/template.yml": "language: node",
  "templates/template/node/.dockerignore": "x",
  "templates/template/node/meta.json": "{}",
  "templates/template/node/function/handler.js": "sample",
  "templates/template/node/function/package.json": "sample",
  "templates/template/node/sub/meta.json": "kept",
};
const repositoryFiles = {
  "repo/stack.yml": "",
  "repo/fn/handler.js": "mine",
  "repo/fn/build/x": "left out",
  "repo/fn/template/x": "left out",
  "repo/fn/sub/build/x": "kept",
  "repo/shared/data/file": "data",
  "repo/single.txt": "single",
  "repo-secret/file": "secret",
};

async function createProject() {
  const scratch = await createScratch();
  await write(scratch.folder, { ...templateFiles, ...repositoryFiles });
  const parts = (changes: Partial<Parameters<typeof createFunctionContext>[0]> = {}) => ({
    checkout: join(scratch.folder, "repo"),
    handler: "./fn",
    handlerFolder: "function",
    copy: [],
    ...changes,
  });
  return { ...scratch, parts, template: join(scratch.folder, "templates/template/node") };
}

const fault = (code: string, ...words: string[]) =>
  expect.objectContaining({ code, message: expect.stringMatching(words.join(".*")) });

describe("a function's context", () => {
  test("is its template with the handler laid over it, as faas-cli assembles it", async () => {
    await using project = await createProject();
    const context = createFunctionContext(project.parts({ template: project.template }));
    expect(await pathsOf(context)).toEqual([
      ".dockerignore",
      "Dockerfile",
      "function",
      "function/handler.js",
      "function/package.json",
      "function/sub",
      "function/sub/build",
      "function/sub/build/x",
      "sub",
      "sub/meta.json",
      "template.yml",
    ]);
    expect(await textOf(context, "function/handler.js")).toBe("mine");
    expect(await textOf(context, "function/package.json")).toBe("sample");
  });

  test("is the handler alone where there is no template", async () => {
    await using project = await createProject();
    const context = createFunctionContext(project.parts({ handlerFolder: "ignored" }));
    expect(await pathsOf(context)).toEqual(["handler.js", "sub", "sub/build", "sub/build/x"]);
  });

  test("may have a handler folder of its template's choice, some folders deep", async () => {
    await using project = await createProject();
    const context = createFunctionContext(project.parts({ template: project.template, handlerFolder: "./src/user/" }));
    expect(await textOf(context, "src/user/handler.js")).toBe("mine");
    expect(await textOf(context, "function/handler.js")).toBe("sample");
  });

  test("holds extra folders and files beside the handler, under the path they have", async () => {
    await using project = await createProject();
    const copy = ["./shared/data", "single.txt", "shared/data/file"];
    const templated = createFunctionContext(project.parts({ template: project.template, copy }));
    expect(await textOf(templated, "function/shared/data/file")).toBe("data");
    expect(await textOf(templated, "function/single.txt")).toBe("single");
    expect(await pathsOf(templated)).not.toContain("function/stack.yml");
    const plain = createFunctionContext(project.parts({ copy }));
    expect(await textOf(plain, "shared/data/file")).toBe("data");
    expect(await pathsOf(plain)).toContain("single.txt");
  });

  test.for([".", "./", "/", "a/..", ""])("may have its handler in the template's root: %j", async (handlerFolder) => {
    await using project = await createProject();
    const parts = project.parts({ template: project.template, handlerFolder, copy: ["shared/data"] });
    const context = createFunctionContext(parts);
    expect(await textOf(context, "handler.js")).toBe("mine");
    expect(await textOf(context, "function/handler.js")).toBe("sample");
    expect(await textOf(context, "shared/data/file")).toBe("data");
    expect(await pathsOf(context)).not.toContain("build");
  });

  test.for(["/app", "//app/", "/x/../app"])(
    "has no handler folder of the disk: %j is one of its own",
    async (folder) => {
      await using project = await createProject();
      const context = createFunctionContext(project.parts({ template: project.template, handlerFolder: folder }));
      expect(await textOf(context, "app/handler.js")).toBe("mine");
    },
  );

  test("lets the later one win of a file and a folder of one name, whichever comes first", async () => {
    await using project = await createProject();
    const files = {
      "templates/template/node/function/lib/hidden": "template",
      "templates/template/node/function/bin": "template",
      "repo/fn/lib": "handler",
      "repo/fn/bin/run": "handler",
      "repo/fn/data/hidden": "handler",
      "repo/fn/text": "handler",
      "repo/data": "copied",
      "repo/text/file": "copied",
    };
    await write(project.folder, files);
    const context = createFunctionContext(project.parts({ template: project.template, copy: ["data", "text"] }));
    const paths = (await pathsOf(context)).filter((path) => /\/(lib|bin|data|text)/.test(path));
    expect(paths).toEqual(["bin", "bin/run", "data", "lib", "text", "text/file"].map((path) => `function/${path}`));
    expect(await textOf(context, "function/lib")).toBe("handler");
    expect(await textOf(context, "function/data")).toBe("copied");
  });

  test("may have a template that is a link to a folder of its repository, and to nothing else", async () => {
    await using project = await createProject();
    const linked = join(project.folder, "templates/template/linked");
    await symlink("node", linked);
    expect(await textOf(createFunctionContext(project.parts({ template: linked })), "Dockerfile")).toBe("FROM node");
    await symlink("../../repo-secret", join(project.folder, "templates/template/outward"));
    const outward = project.parts({ template: join(project.folder, "templates/template/outward") });
    expect(() => createFunctionContext(outward)).toThrow(fault("path_forbidden", "outward"));
  });

  test("keeps setuid and setgid of files, and gives them to no folder", async () => {
    await using project = await createProject();
    await write(project.folder, { "repo/fn/tool": "x", "repo/shared/tool": "x" });
    for (const [place, mode] of [
      ["fn/tool", 0o6755],
      ["fn/sub", 0o6755],
      ["shared/tool", 0o2711],
      ["shared/data", 0o3777],
    ] as const)
      await chmod(join(project.folder, "repo", place), mode);
    const entries = await listAll(createFunctionContext(project.parts({ copy: ["shared"] })));
    const modes = new Map(entries.map(({ path, mode }) => [path, unixPermissions(mode)]));
    expect([modes.get("tool"), modes.get("shared/tool")]).toEqual([0o6755, 0o2711]);
    expect([modes.get("sub"), modes.get("shared/data")]).toEqual([0o755, 0o1755]);
  });

  test("may be the whole repository, build and template at its top left out", async () => {
    await using project = await createProject();
    await write(project.folder, { "repo/build/old": "", "repo/template/node/Dockerfile": "" });
    const paths = await pathsOf(createFunctionContext(project.parts({ handler: "." })));
    expect(paths).toContain("fn/handler.js");
    expect(paths.filter((path) => /^(build|template)/.test(path))).toEqual([]);
  });

  test("follows links of the handler inside the repository, and of the template inside its own", async () => {
    await using project = await createProject();
    await symlink("../shared", join(project.folder, "repo/fn/common"));
    await symlink("../../README", join(project.template, "README"));
    await write(project.folder, { "templates/README": "read me" });
    const context = createFunctionContext(project.parts({ template: project.template }));
    expect(await textOf(context, "function/common/data/file")).toBe("data");
    expect(await textOf(context, "README")).toBe("read me");
  });

  test("G5 does not follow links out of the repository, nor of a template out of its own", async () => {
    await using project = await createProject();
    await symlink("../../repo-secret/file", join(project.folder, "repo/fn/leak"));
    await expect(pathsOf(createFunctionContext(project.parts()))).rejects.toThrow(
      fault("path_forbidden", 'link "leak" -> "../../repo-secret/file"'),
    );
    await symlink("../../../repo/stack.yml", join(project.template, "leak"));
    const templated = createFunctionContext(project.parts({ template: project.template, handler: "shared" }));
    await expect(pathsOf(templated)).rejects.toThrow(fault("path_forbidden", "leak"));
  });

  test.for<[string, string]>([
    ["../repo-secret", "path_forbidden"],
    ["../../..", "path_forbidden"],
    ["fn/../../repo-secret", "path_forbidden"],
    ["..", "path_forbidden"],
    ["/", "path_forbidden"],
    ["/etc", "path_forbidden"],
    ["/no/such/folder", "path_forbidden"],
    ["ROOT/repo-secret", "path_forbidden"],
    ["ROOT/repo/../repo-secret", "path_forbidden"],
    ["ROOT/repo/linked-out", "path_forbidden"],
    ["ROOT/repo/absent", "context_invalid"],
    ["linked-out", "path_forbidden"],
    ["linked-out/sub", "path_forbidden"],
    ["linked-out/absent", "path_forbidden"],
    ["ROOT/repo/linked-out/absent", "path_forbidden"],
    ["absent", "context_invalid"],
    ["single.txt", "context_invalid"],
    ["", "context_invalid"],
    ["fn\0", "context_invalid"],
  ])("S1 the handler %j is refused with %s", async ([handler, code]) => {
    await using project = await createProject();
    await mkdir(join(project.folder, "repo-secret/sub"));
    await symlink("../repo-secret", join(project.folder, "repo/linked-out"));
    const parts = project.parts({ handler: handler.replace("ROOT", project.folder) });
    expect(() => createFunctionContext(parts)).toThrow(fault(code, "handler"));
  });

  test.for([".", "./", "fn/..", "ROOT/repo", "ROOT/repo/", "ROOT/project", "ROOT/repo/fn/.."])(
    "S1 the handler %j is the repository, and nothing beside it",
    async (handler) => {
      await using project = await createProject();
      await symlink("repo", join(project.folder, "project"));
      const context = createFunctionContext(project.parts({ handler: handler.replace("ROOT", project.folder) }));
      expect(await pathsOf(context)).toContain("stack.yml");
      expect(await textOf(context, "fn/build/x")).toBe("left out");
      await symlink("../repo-secret", join(project.folder, "repo/leak"));
      await expect(pathsOf(context)).rejects.toThrow(fault("path_forbidden", "leak"));
    },
  );

  test.for(["ROOT/repo/fn", "ROOT/repo/./shared/../fn/", "ROOT/project/fn", "ROOT/repo/linked"])(
    "S1 an absolute handler is taken where it lies in the repository: %j",
    async (handler) => {
      await using project = await createProject();
      await symlink("repo", join(project.folder, "project"));
      await symlink("fn", join(project.folder, "repo/linked"));
      const context = createFunctionContext(project.parts({ handler: handler.replace("ROOT", project.folder) }));
      expect(await textOf(context, "handler.js")).toBe("mine");
    },
  );

  test("S1 an absolute handler elsewhere is refused with the same words, whether it is there or not", async () => {
    await using project = await createProject();
    const tell = (handler: string) => () => createFunctionContext(project.parts({ handler }));
    for (const handler of [join(project.folder, "repo-secret"), join(project.folder, "repo-absent"), "/proc/self/x"])
      expect(tell(handler)).toThrow(`handler "${handler}" lies outside of the repository`);
  });

  test.for(["fn", "fn/sub", "shared"])(
    "S1 S4 the check holds when %s becomes a link out while it is read",
    async (place) => {
      await using project = await createProject();
      const context = createFunctionContext(project.parts({ copy: ["shared"] }));
      await rename(join(project.folder, "repo", place), join(project.folder, "moved"));
      await symlink(join(project.folder, "repo-secret"), join(project.folder, "repo", place));
      await expect(pathsOf(context)).rejects.toThrow(fault("path_forbidden"));
    },
  );

  test.for<[string, string]>([
    ["../repo-secret", "path_forbidden"],
    ["../repo-secret/file", "path_forbidden"],
    [".", "path_forbidden"],
    ["./fn/..", "path_forbidden"],
    ["/etc/passwd", "path_forbidden"],
    ["ROOT/repo/shared", "path_forbidden"],
    ["linked-out", "path_forbidden"],
    ["linked-dir", "path_forbidden"],
    ["linked-dir/file", "path_forbidden"],
    ["linked-dir/absent", "path_forbidden"],
    ["linked-dir/absent/below", "path_forbidden"],
    ["dangling-out", "path_forbidden"],
    ["fn/absent/below", "context_invalid"],
    ["absent", "context_invalid"],
  ])("S4 the copied path %j is refused with %s", async ([path, code]) => {
    await using project = await createProject();
    await symlink("../repo-secret/file", join(project.folder, "repo/linked-out"));
    await symlink("../repo-secret", join(project.folder, "repo/linked-dir"));
    await symlink("../repo-secret/absent", join(project.folder, "repo/dangling-out"));
    const parts = project.parts({ copy: [path.replace("ROOT", project.folder)] });
    expect(() => createFunctionContext(parts)).toThrow(fault(code, "copied path"));
  });

  test.for(["../x", "..", "/..", "/../x", "a/../..", "x\0"])(
    "S4 the handler folder %j of a template is refused",
    async (folder) => {
      await using project = await createProject();
      const parts = project.parts({ template: project.template, handlerFolder: folder });
      expect(() => createFunctionContext(parts)).toThrow(fault("path_forbidden", "handler_folder"));
    },
  );
});
