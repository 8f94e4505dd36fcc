import { onTestFinished } from "vitest";
import { type PlanHands, planStack } from "../../src/pipeline/plan.ts";
import { type Files, treeOf } from "./story.ts";

/** A stack file of these functions, with more below them. */
export const stack = (functions: string, rest = "") => `provider: {name: openfaas}\nfunctions:\n${functions}${rest}`;
const templates = {
  "template/go/template.yml": "handler_folder: code\nbuild_options: [{name: dev, packages: [make]}]",
  "template/go/Dockerfile": "FROM x",
};
/** The one source of templates that may be used; it has the language go. */
export const allowedUrl = "https://templates.example/x.git";

/** Plans what these files hold, as of a push. */
export async function plan(files: Files, given: Partial<PlanHands> = {}) {
  const tree = await treeOf(files);
  const repository = await treeOf(templates);
  onTestFinished(async () => {
    await tree[Symbol.asyncDispose]();
    await repository[Symbol.asyncDispose]();
  });
  return planStack(tree, {
    imageOf: ({ name }) => `r/${name}:latest`,
    dockerfileLang: true,
    pushed: true,
    templateUrls: [allowedUrl],
    allowsSource: (url) => url === allowedUrl,
    openTemplates: async () => repository,
    ...given,
  });
}
