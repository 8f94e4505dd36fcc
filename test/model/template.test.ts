import { expect, test } from "vitest";
import { additionalPackages, parseTemplate } from "../../src/model/template.ts";

const template = parseTemplate(
  "language: go\nhandler_folder: code\nbuild_options:\n  - name: dev\n    packages: [make, gcc]\n  - name: ssl\n    packages: [gcc, openssl]\n",
  "template/go/template.yml",
);

test("a template names the process that it starts", () => {
  expect(parseTemplate("fprocess: python index.py\n", "t").fprocess).toBe("python index.py");
  expect(template.fprocess).toBe("");
});

test("a template names its handler folder, or it is function", () => {
  expect(template.handlerFolder).toBe("code");
  expect(template.handlerFolderLocation).toEqual({ path: "template/go/template.yml", line: 2, column: 17 });
  expect(parseTemplate("", "t").handlerFolder).toBe("function");
});

test("packages of options and argument are sorted and without doubles", () => {
  expect(additionalPackages(template, [{ name: "dev" }, { name: "ssl" }], "zlib  gcc")).toEqual({
    value: "gcc make openssl zlib",
    unknown: [],
  });
});

test("without options the argument is empty", () => {
  expect(additionalPackages(template, [], "")).toEqual({ value: "", unknown: [] });
});

test("options that the template lacks are named", () => {
  const options = [{ name: "x" }, { name: "dev" }, { name: "y" }];
  expect(additionalPackages(template, options, "")).toEqual({
    value: "gcc make",
    unknown: [{ name: "x" }, { name: "y" }],
  });
});
