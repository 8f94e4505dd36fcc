import { expect, test } from "vitest";
import { readRequest } from "../../src/cli/build.ts";

const { signal } = new AbortController();
const world = { env: {}, folder: "/", output: process.stdout, errors: process.stderr };
const read = async (...buildArg: string[]) =>
  (await readRequest({ envsubst: true, tag: "latest", buildArg }, world, { signal })).buildArgs;

test("of a build argument that is given twice the last one counts, and packages add up", async () => {
  const given = ["A=1", "ADDITIONAL_PACKAGE=git", " A = 2=3 ", "ADDITIONAL_PACKAGE= make zip "];
  expect(await read(...given)).toEqual({ A: "2=3", ADDITIONAL_PACKAGE: "git make zip" });
});

test.for(["A", "=1", "A=", " = ", "A= "])("the build argument %j is refused", async (text) => {
  await expect(read(text)).rejects.toMatchObject({ code: "usage", message: expect.stringContaining(`"${text}"`) });
});
