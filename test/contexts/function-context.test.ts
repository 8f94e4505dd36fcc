import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { createFunctionContext } from "../../src/contexts/function-context.ts";
import { createScratch, pathsOf, textOf } from "./scratch.ts";

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
    ["/etc", "path_forbidden"],
    ["linked-out", "path_forbidden"],
    ["linked-out/sub", "path_forbidden"],
    ["absent", "context_invalid"],
    ["single.txt", "context_invalid"],
    ["", "context_invalid"],
    ["fn\0", "context_invalid"],
  ])("S1 the handler %j is refused with %s", async ([handler, code]) => {
    await using project = await createProject();
    await mkdir(join(project.folder, "repo-secret/sub"));
    await symlink("../repo-secret", join(project.folder, "repo/linked-out"));
    expect(() => createFunctionContext(project.parts({ handler }))).toThrow(fault(code, "handler"));
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
    ["linked-out", "path_forbidden"],
    ["absent", "context_invalid"],
  ])("S4 the copied path %j is refused with %s", async ([path, code]) => {
    await using project = await createProject();
    await symlink("../repo-secret/file", join(project.folder, "repo/linked-out"));
    expect(() => createFunctionContext(project.parts({ copy: [path] }))).toThrow(fault(code, "copied path"));
  });

  test.for(["../x", "/x", ".", "", "a/../.."])("S4 the handler folder %j of a template is refused", async (folder) => {
    await using project = await createProject();
    const parts = project.parts({ template: project.template, handlerFolder: folder });
    expect(() => createFunctionContext(parts)).toThrow(fault("path_forbidden", "handler_folder"));
  });
});
