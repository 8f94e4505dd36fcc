import { describe, expect, test } from "vitest";
import { createFilesContext } from "../../src/contexts/files.ts";
import { createOverlayContext } from "../../src/contexts/overlay.ts";
import { findEntry, modeDirectory } from "../../src/model/context.ts";
import { pathsOf, textOf } from "./scratch.ts";

const file = (content: string) => ({ content });

describe("an overlay", () => {
  test("lays a context to a place, with folders of mode 0755 on the way", async () => {
    const overlay = createOverlayContext([{ at: "a/b", context: createFilesContext({ "x/y": file("deep") }) }]);
    expect(await pathsOf(overlay)).toEqual(["a", "a/b", "a/b/x", "a/b/x/y"]);
    expect(await textOf(overlay, "a/b/x/y")).toBe("deep");
    expect(await findEntry(overlay, "a")).toMatchObject({ mode: modeDirectory + 0o755, size: 0 });
  });

  test("lets the later of two files win, and folders merge in byte order", async () => {
    const overlay = createOverlayContext([
      {
        at: "",
        context: createFilesContext({ Dockerfile: file("D"), "function/b": file("1"), "function/d": file("1") }),
      },
      { at: "function", context: createFilesContext({ a: file("2"), b: file("2"), c: file("2") }) },
    ]);
    expect(await pathsOf(overlay)).toEqual([
      "Dockerfile",
      "function",
      ...["a", "b", "c", "d"].map((n) => `function/${n}`),
    ]);
    expect(await textOf(overlay, "function/b")).toBe("2");
    expect(await textOf(overlay, "function/d")).toBe("1");
  });

  test("hides what earlier layers have below a later file, even when it is asked for first", async () => {
    const overlay = createOverlayContext([
      { at: "", context: createFilesContext({ "x/y/hidden": file("1") }) },
      { at: "", context: createFilesContext({ x: file("2") }) },
    ]);
    expect(await overlay.list("x/y")).toEqual([]);
    expect(await pathsOf(overlay)).toEqual(["x"]);
  });

  test("shows of a folder over a file only what the later layer has", async () => {
    const overlay = createOverlayContext([
      { at: "", context: createFilesContext({ "x/first": file("1") }) },
      { at: "", context: createFilesContext({ x: file("2") }) },
      { at: "x", context: createFilesContext({ third: file("3") }) },
    ]);
    expect(await pathsOf(overlay)).toEqual(["x", "x/third"]);
  });

  test("knows nothing of folders that no layer has", async () => {
    const overlay = createOverlayContext([{ at: "a/b", context: createFilesContext({ x: file("") }) }]);
    for (const path of ["a/c", "a/b/x", "ab", "nowhere/at/all"]) expect(await overlay.list(path), path).toEqual([]);
  });
});

describe("files in memory", () => {
  test("are a context with modes, links and folders that come about by themselves", async () => {
    const context = createFilesContext({
      "bin/busybox": { content: Buffer.from([1, 2, 3]), mode: 0o755 },
      "bin/sh": { link: "busybox" },
      "etc/passwd": { content: "root" },
    });
    expect(await pathsOf(context)).toEqual(["bin", "bin/busybox", "bin/sh", "etc", "etc/passwd"]);
    expect(await findEntry(context, "bin/busybox")).toMatchObject({ mode: 0o755, size: 3, modifiedNs: 0n });
    expect(await findEntry(context, "bin/sh")).toMatchObject({ linkTarget: "busybox", size: 0 });
    expect(await findEntry(context, "etc/passwd")).toMatchObject({ mode: 0o644 });
    expect(await textOf(context, "etc/passwd")).toBe("root");
  });

  test("cannot lie below a file", () => {
    expect(() => createFilesContext({ a: file(""), "a/b": file("") })).toThrow('a/b lies below "a", which is a file');
  });
});
