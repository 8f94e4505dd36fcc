import { describe, expect, test } from "vitest";
import { z } from "zod";
import { buildConfigSchema } from "../../src/model/build-api.ts";
import { parseBuildConfig } from "../../src/server/build-config.ts";

const least = { image: "r/x", pushName: "r/x", buildArgs: {}, platforms: [], push: true };

describe("the config of a build", () => {
  test.for<[string, string, object]>([
    [
      "the form of 2018",
      '{"Ref": "registry.local:5000/foo/bar:latest"}\n',
      { image: "registry.local:5000/foo/bar:latest" },
    ],
    ["the form of 2019", '{"ref":"r/x","frontend":"tonistiigi/dockerfile:v0"}', {}],
    [
      "the newest form",
      '{"image":"r/x","buildArgs":{"A":"\\u003c1","ADDITIONAL_PACKAGE":""},"platforms":["linux/amd64","linux/arm/v7"],"skipPush":true}',
      { buildArgs: { A: "<1", ADDITIONAL_PACKAGE: "" }, platforms: ["linux/amd64", "linux/arm/v7"], push: false },
    ],
    ["keys in any case", '{"IMAGE":"r/x","BUILDARGS":{"a":"b"},"SkipPUSH":false}', { buildArgs: { a: "b" } }],
    ["image before ref", '{"image":"r/x","ref":"other"}', {}],
    ["ref where image is empty", '{"image":"","ref":"r/x"}', {}],
    ["T22 the last of several spellings", '{"ref":"a","Ref":"b","REF":"r/x"}', {}],
    ["T22 the last of a key that stands on both sides of another", '{"ref":"a","Ref":"b","ref":"r/x"}', {}],
    ["T22 text that looks like structure", '{ "ref" : "r/x" , "x" : ["},{\\"ref\\":1", {"ref":"y,z"}] }', {}],
    ["null as nothing", '{"ref":"r/x","Ref":null,"buildArgs":null,"platforms":null,"skipPush":null}', {}],
    ["null as an empty argument", '{"ref":"r/x","buildArgs":{"a":null}}', { buildArgs: { a: "" } }],
    ["a name in capitals", '{"ref":"R/X:Latest"}', { image: "R/X:Latest", pushName: "r/x:latest" }],
    [
      "null as an empty platform, which is none",
      '{"ref":"r/x","platforms":[null,"linux/arm64"]}',
      { platforms: ["linux/arm64"] },
    ],
    ["the last of several lists", '{"ref":"r/x","platforms":["a","b"],"Platforms":["c"]}', { platforms: ["c"] }],
    [
      "a list where null leaves an earlier text",
      '{"ref":"r/x","platforms":["a","b"],"Platforms":[null]}',
      { platforms: ["a"] },
    ],
    [
      "arguments of several maps",
      '{"ref":"r/x","buildArgs":{"a":"1","b":"1"},"BuildArgs":{"b":"2","c":"3"}}',
      { buildArgs: { a: "1", b: "2", c: "3" } },
    ],
    [
      "null as the end of an earlier map and list",
      '{"ref":"r/x","buildArgs":{"a":"1"},"platforms":["a"],"BUILDARGS":null,"PLATFORMS":null,"buildargs":{"b":"2"}}',
      { buildArgs: { b: "2" } },
    ],
    [
      "null that empties an earlier argument",
      '{"ref":"r/x","buildArgs":{"a":"1"},"BuildArgs":{"a":null}}',
      { buildArgs: { a: "" } },
    ],
    ["null that leaves an earlier flag", '{"ref":"r/x","skipPush":true,"SkipPush":null}', { push: false }],
    [
      "a long s and the sign of Kelvin as Go folds them",
      '{"ref":"r/x","platform\u017f":["a"],"\u017f\u212aipPu\u017fh":true}',
      { platforms: ["a"], push: false },
    ],
    ["no other letter for one of ASCII", '{"ref":"r/x","skıpPush":true,"İmage":"y"}', {}],
    ["unknown keys", '{"ref":"r/x","unknown":{"ref":1},"y":[]}', {}],
  ])("takes %s", ([, text, expected]) => {
    const { buildArgs, ...rest } = parseBuildConfig(text);
    const image = "image" in expected ? String(expected.image) : least.image;
    expect({ ...rest, buildArgs: { ...buildArgs } }).toEqual({ ...least, image, pushName: image, ...expected });
  });

  test("T22 takes __proto__ for a key like any other", () => {
    const { buildArgs } = parseBuildConfig('{"ref":"r/x","__proto__":{"ref":"y"},"buildArgs":{"__proto__":"v"}}');
    expect(Object.entries(buildArgs)).toEqual([["__proto__", "v"]]);
    expect(Object.getPrototypeOf(buildArgs)).toBeNull();
  });

  test("is described by the schema that it is checked with", () => {
    const described = z.toJSONSchema(buildConfigSchema, { io: "input" });
    expect(described.properties).toHaveProperty("platforms.items.pattern");
    expect(Object.keys(described.properties ?? {})).toEqual(["image", "ref", "buildArgs", "platforms", "skipPush"]);
    const wrong = { image: 1, ref: 1, buildArgs: 1, platforms: 1, skipPush: 1 };
    for (const [name, value] of Object.entries(wrong)) {
      expect(() => parseBuildConfig(JSON.stringify({ image: "r/x", [name.toUpperCase()]: value }))).toThrow(name);
    }
  });

  test.for<[string, string]>([
    ["", "the config is no JSON"],
    ["{", "the config is no JSON"],
    ['{"ref":"r/x"} trailing', "invalid character 't' after top-level value"],
    ['{"ref":"r/x"}{}', "invalid character '{' after top-level value"],
    ["[]", "json: cannot unmarshal array into Go value of type buildConfig"],
    ['"x"', "json: cannot unmarshal string into Go value of type buildConfig"],
    ["null", "no target reference to push"],
    ["{}", "no target reference to push"],
    ['{"ref":1}', "json: cannot unmarshal number into Go struct field buildConfig.ref of type string"],
    ['{"ref":"x","image":{}}', "json: cannot unmarshal object into Go struct field buildConfig.image of type string"],
    [
      '{"ref":"x","buildArgs":{"a":1}}',
      "json: cannot unmarshal number into Go struct field buildConfig.buildArgs of type string",
    ],
    [
      '{"ref":"x","buildArgs":{"__proto__":1}}',
      "json: cannot unmarshal number into Go struct field buildConfig.buildArgs of type string",
    ],
    [
      '{"ref":"x","buildArgs":{"a":true}}',
      "json: cannot unmarshal bool into Go struct field buildConfig.buildArgs of type string",
    ],
    [
      '{"ref":"x","buildArgs":[]}',
      "json: cannot unmarshal array into Go struct field buildConfig.buildArgs of type map[string]string",
    ],
    [
      '{"ref":"x","platforms":"linux/amd64"}',
      "json: cannot unmarshal string into Go struct field buildConfig.platforms of type []string",
    ],
    ['{"ref":1,"Ref":"r/x"}', "json: cannot unmarshal number into Go struct field buildConfig.ref of type string"],
    [
      '{"ref":"r/x","ref":[],"image":1}',
      "json: cannot unmarshal array into Go struct field buildConfig.ref of type string",
    ],
    [
      '{"ref":"x","buildArgs":{"a":1,"a":"x"}}',
      "json: cannot unmarshal number into Go struct field buildConfig.buildArgs of type string",
    ],
    [
      '{"ref":"x","buildArgs":1,"BuildArgs":null}',
      "json: cannot unmarshal number into Go struct field buildConfig.buildArgs of type map[string]string",
    ],
    [
      '{"ref":"x","platforms":[1]}',
      "json: cannot unmarshal number into Go struct field buildConfig.platforms of type string",
    ],
    ['{"ref":"x","platforms":["linux/amd64,linux/arm64"]}', 'platform "linux/amd64,linux/arm64" is not valid'],
    [
      '{"ref":"x","skipPush":"yes"}',
      "json: cannot unmarshal string into Go struct field buildConfig.skipPush of type bool",
    ],
  ])("T22 refuses %s", ([text, message]) => {
    const fault = expect.objectContaining({ code: "body_invalid", message: expect.stringContaining(message) });
    expect(() => parseBuildConfig(text)).toThrow(fault);
  });

  test.for(["r/x@sha256:aa", "-x", "a b", "r/x:", "r//x", "r/x\n", "é", "http://r/x"])(
    "S7 refuses the image %j",
    (image) => {
      const fault = expect.objectContaining({ code: "name_invalid" });
      expect(() => parseBuildConfig(JSON.stringify({ image }))).toThrow(fault);
    },
  );
});
