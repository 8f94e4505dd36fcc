import { expect, test } from "vitest";
import { parseSettingsFile } from "../../src/model/settings-file.ts";

test.for([
  ["lines", "# comment\nPORT=8081\nexport build_branch='main'\n"],
  ["a flat map", "PORT: 8081\nbuild_branch: main\n"],
  ["OpenFaaS's own form", "environment:\n  PORT: 8081\n  build_branch: main\n"],
] as const)("settings are read from %s", ([, text]) => {
  expect({ ...parseSettingsFile(text, "settings") }).toEqual({ PORT: "8081", build_branch: "main" });
});
