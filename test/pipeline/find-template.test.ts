import { expect, onTestFinished, test } from "vitest";
import { BuilderError } from "../../src/errors.ts";
import { parseStack } from "../../src/model/stack.ts";
import { findTemplate, type TemplateHands, templateSource } from "../../src/pipeline/find-template.ts";
import type { Tree } from "../../src/pipeline/tree.ts";
import { type Files, treeOf } from "./story.ts";

const offered = "https://templates.example/x.git";
const commit = "1".repeat(40);

/** Finds the template of one function whose stack names `templates`, where `sources` hold the given languages. */
async function find(
  lang: string,
  {
    templates = "[]",
    sources = {},
    own = {},
    ...given
  }: {
    templates?: string;
    sources?: Readonly<Record<string, readonly string[] | Files>>;
    own?: Files;
  } & Partial<TemplateHands> = {},
) {
  const opened: string[] = [];
  const tree = async (files: Files): Promise<Tree> => {
    const made = await treeOf(files);
    onTestFinished(() => made[Symbol.asyncDispose]());
    return { ...made, commit };
  };
  const stack = parseStack(
    `provider: {name: openfaas}\nfunctions:\n  a:\n    handler: ./a\n    lang: ${lang}\nconfiguration:\n  templates: ${templates}\n`,
    "stack.yml",
  );
  const hands: TemplateHands = {
    templateUrls: [offered],
    allowsSource: (source) => source.startsWith("https://templates.example/"),
    async openTemplates(source) {
      opened.push(source);
      const languages = sources[source];
      if (!languages) throw new BuilderError("template_unknown", `${source} is not there`);
      if (!Array.isArray(languages)) return tree(languages as Files);
      return tree(Object.fromEntries(languages.map((name) => [`template/${name}/Dockerfile`, "FROM x"])));
    },
    ...given,
  };
  const [definition] = stack.functions;
  if (!definition) throw new Error("no function");
  const found = findTemplate(definition, stack, { tree: await tree(own), hands });
  return { origin: await found.then(({ origin }) => origin), opened };
}

test("S8 a template is known by its commit: it is remembered with the one that it was found at, whatever its name means later", async () => {
  const { origin } = await find("go", { sources: { [offered]: ["go"] } });
  expect(origin).toEqual({ lang: "go", url: offered, commit });
  expect(templateSource(origin)).toBe(`${offered}#sha-${commit}`);
  expect([templateSource({ lang: "go" }), templateSource({ lang: "go", url: offered })]).toEqual([undefined, offered]);
});

test("a source that the stack names for the language is the only one that counts", async () => {
  const templates = "[{name: go, source: 'https://templates.example/mine.git#v2'}]";
  const sources = { [offered]: ["go"], "https://templates.example/mine.git#v2": ["go"] };
  expect(await find("go", { templates, sources })).toMatchObject({
    origin: { url: "https://templates.example/mine.git#v2" },
    opened: ["https://templates.example/mine.git#v2"],
  });
  await expect(
    find("go", { templates, sources: { ...sources, "https://templates.example/mine.git#v2": ["node"] } }),
  ).rejects.toMatchObject({
    code: "template_unknown",
    message: expect.stringContaining("no template/go in https://templates.example/mine.git#v2"),
    location: { path: "stack.yml", line: 7 },
  });
});

test("S8 of two sources that the stack names for one language the first counts, and the other one is not opened", async () => {
  const [one, two] = ["https://templates.example/one.git", "https://templates.example/two.git"];
  const sources = { [one]: ["go", "node"], [two]: ["go", "rust"] };
  for (const name of ["name: go, ", ""]) {
    const templates = `[{${name}source: '${one}'}, {${name}source: '${two}'}]`;
    expect(await find("go", { templates, sources })).toMatchObject({ origin: { url: one }, opened: [one] });
  }
  const templates = `[{name: go, source: '${one}'}, {name: rust, source: '${two}'}]`;
  expect((await find("rust", { templates, sources })).origin.url).toBe(two);
  expect((await find("go", { templates, sources })).origin.url).toBe(one);
});

test("an entry without a name offers all its languages, one without a source is the installation's", async () => {
  const templates = "[{source: 'https://templates.example/all.git'}, {name: node}]";
  const sources = { [offered]: ["node"], "https://templates.example/all.git": ["go"] };
  expect((await find("go", { templates, sources })).origin.url).toBe("https://templates.example/all.git");
  expect((await find("node", { templates, sources })).origin.url).toBe(offered);
});

test("NAME@REF takes NAME of the source at REF", async () => {
  const at = `${offered}#v1`;
  expect((await find("go@v1", { sources: { [at]: ["go"] } })).origin).toMatchObject({ lang: "go", url: at });
  const templates = `[{name: go@v1, source: '${offered}'}]`;
  expect((await find("go@v1", { templates, sources: { [at]: ["go"] } })).origin.url).toBe(at);
});

test("NAME@REF does not take a source that is pinned to another REF, nor one that has no such REF", async () => {
  const templateUrls = [
    `${offered}#v2`,
    "https://templates.example/other.git",
    "https://templates.example/last.git#v1",
  ];
  const { origin, opened } = await find("go@v1", {
    templateUrls,
    sources: { "https://templates.example/last.git#v1": ["go"] },
  });
  expect(origin.url).toBe("https://templates.example/last.git#v1");
  expect(opened).toEqual(["https://templates.example/other.git#v1", "https://templates.example/last.git#v1"]);
});

test("the store is asked last, and its source is the installation's word", async () => {
  const asked: string[] = [];
  const findInStore = async (name: string) => {
    asked.push(name);
    return name === "rust" ? "https://store.example/rust.git" : undefined;
  };
  const sources = { [offered]: ["go"], "https://store.example/rust.git": ["rust"], [`${offered}#v1`]: [] };
  expect((await find("rust", { sources, findInStore })).origin.url).toBe("https://store.example/rust.git");
  expect((await find("go", { sources, findInStore })).origin.url).toBe(offered);
  await expect(find("cobol@v1", { sources, findInStore })).rejects.toMatchObject({
    message: expect.stringContaining(`searched: template/ of the repository, ${offered}, the template store`),
  });
  expect(asked).toEqual(["rust", "cobol"]);
});

test("an entry STORE-SOURCE/NAME without a source means what that source has in the store", async () => {
  const asked: string[] = [];
  const findInStore = async (name: string) => {
    asked.push(name);
    return name === "someone/go" ? "https://store.example/someone.git" : undefined;
  };
  const sources = {
    [offered]: ["go"],
    "https://store.example/someone.git": ["go"],
    "https://store.example/someone.git#v1": ["go"],
  };
  const from = (lang: string, name: string) =>
    find(lang, { templates: `[{name: ${name}}]`, sources, findInStore }).then(({ origin }) => origin);
  expect(await from("go", "someone/go")).toMatchObject({ lang: "go", url: "https://store.example/someone.git" });
  expect((await from("go@v1", "someone/go@v1")).url).toBe("https://store.example/someone.git#v1");
  expect((await from("go", "someone/node")).url).toBe(offered);
  await expect(from("go", "nobody/go")).rejects.toMatchObject({
    code: "template_unknown",
    location: { path: "stack.yml", line: 7, column: 22 },
    message: expect.stringContaining("(searched: nobody/go in the template store)"),
  });
  expect(asked).toEqual(["someone/go", "someone/go", "nobody/go"]);
  expect((await find("go", { templates: "[{name: someone/go}]", sources })).origin.url).toBe(offered);
});

test("S9 a repository's own template counts where the installation allows it", async () => {
  const own = { "template/go/Dockerfile": "FROM mine" };
  const sources = { [offered]: ["go"] };
  expect((await find("go", { own, sources })).origin).toEqual({ lang: "go" });
  expect((await find("go", { own, sources, repositoryTemplates: false })).origin.url).toBe(offered);
  await expect(find("go", { own, repositoryTemplates: false, templateUrls: [] })).rejects.toMatchObject({
    code: "template_unknown",
    message: expect.stringContaining("this installation offers no templates"),
  });
});

test("a link beside the template that leads to nothing, or out, does not concern it", async () => {
  const strangers = { "template/gone": { link: "nowhere" }, "template/out": { link: "/etc" } };
  const own = { ...strangers, "template/go/Dockerfile": "FROM mine" };
  expect((await find("go", { own })).origin).toEqual({ lang: "go" });
  const sources = { [offered]: { ...strangers, "template/go/Dockerfile": "FROM x" } };
  expect((await find("go", { own: strangers, sources })).origin.url).toBe(offered);
  await expect(find("out", { own })).rejects.toMatchObject({ code: "path_forbidden" });
});

test.for([
  ["for the language", "[{name: go, source: 'http://169.254.169.254/x.git'}]", 34],
  ["for no language", "[{source: 'http://169.254.169.254/x.git'}]", 24],
  ["with a store's name before it", "[{name: store/go, source: 'http://169.254.169.254/x.git'}]", 40],
] as const)("S8 a source that is not allowed, named %s, is not opened", async ([, templates, column]) => {
  const opened: string[] = [];
  const openTemplates = async (source: string) => {
    opened.push(source);
    throw new Error("opened");
  };
  await expect(find("go", { templates, openTemplates })).rejects.toMatchObject({
    code: "template_unknown",
    location: { path: "stack.yml", line: 7, column },
    message: expect.stringContaining('"http://169.254.169.254/x.git", which this installation does not allow'),
  });
  expect(opened).toEqual([]);
});

test("a fault of a named source is shown where the stack names it", async () => {
  const templates = "[{name: go, source: 'https://templates.example/gone.git'}]";
  await expect(find("go", { templates })).rejects.toMatchObject({
    code: "template_unknown",
    location: { path: "stack.yml", line: 7, column: 34 },
    message: "stack.yml line 7: https://templates.example/gone.git is not there",
  });
});

test("a source that cannot be reached stays a fault that may pass", async () => {
  const openTemplates = async () => {
    throw new BuilderError("checkout_failed", "no route");
  };
  await expect(find("go", { openTemplates })).rejects.toMatchObject({ code: "checkout_failed", transient: true });
});
