import type { Config } from "../config.ts";
import { createTemplateStore } from "../git/template-store.ts";
import type { Log } from "../log.ts";
import { createSourceRule } from "../model/template-source.ts";
import type { TemplateHands } from "../pipeline/find-template.ts";
import { keptBy } from "./git-cache.ts";

/** Creates the rules of an installation: which templates the stacks that are pushed to it may use. */
export function createTemplateRules(config: Config, { log }: { log: Log }): Omit<TemplateHands, "openTemplates"> {
  const { customTemplates, templateSources, repositoryTemplates, templateStoreUrl: url } = config;
  const rules = {
    repositoryTemplates,
    templateUrls: customTemplates,
    allowsSource: createSourceRule([...customTemplates, ...templateSources]),
  };
  if (url === undefined) return rules;
  const { folder } = keptBy(config);
  const store = createTemplateStore({ url, folder, refreshMs: config.templateRefreshMs, log });
  return { ...rules, findInStore: (name) => store.find(name) };
}
