import { pino } from "pino";
import { expect, test } from "vitest";
import { createPushHands } from "../../src/compose/push-hands.ts";
import { readConfig } from "../../src/config.ts";
import { parseStack } from "../../src/model/stack.ts";
import { push } from "../pipeline/story.ts";

/** What the stories of pushes are given by these settings; the parties of the outside world are not asked for that. */
function handsOf(given: Readonly<Record<string, string>>) {
  const nobody = {} as never;
  const parties = {
    git: nobody,
    github: nobody,
    reporter: nobody,
    openLines: nobody,
    logs: nobody,
    buildImage: nobody,
    target: nobody,
    credentials: nobody,
  };
  return createPushHands(readConfig(given), { ...parties, database: nobody, log: pino({ level: "silent" }) });
}

/** The rules by which a push is planned. */
const rulesOf = (given: Readonly<Record<string, string>>) => handsOf(given).rulesFor(push);

test("S6 a pushed stack sees the variables of the setting, and nothing of the environment", () => {
  expect(rulesOf({ SECRET: "s", stack_variables: "TIER=gold" })).toMatchObject({
    pushed: true,
    variables: { TIER: "gold" },
  });
  expect(rulesOf({ SECRET: "s" }).variables).toEqual({});
});

test("S7 whatever image a pushed stack names, it goes to the repository of its owner", () => {
  const text = "provider: {name: openfaas}\nfunctions: {fn: {lang: dockerfile, image: 'other.registry/bob/x:1'}}\n";
  const [definition] = parseStack(text, "stack.yml").functions;
  const { imageOf } = rulesOf({ push_repository_url: "registry:5000" });
  expect(definition && imageOf(definition)).toBe("registry:5000/alice/fns-x:1-main-1234567");
});

test("settings that make another image of the same files are part of what an image is made of, and no others", () => {
  const builderOf = (given: Readonly<Record<string, string>>) => handsOf(given).memory?.builder;
  const builders = [{}, { enable_frontends: "true" }, { source_date_epoch: "commit" }].map(builderOf);
  expect(new Set(builders).size).toBe(3);
  expect(builderOf({ build_time_limit_ms: "1", source_date_epoch: "none" })).toBe(builderOf({}));
});
