import { expect, test } from "vitest";
import { nearestWord } from "../../src/model/known-keys.ts";

const words = ["handler", "environment", "environment_file", "labels", "limits", "lang", "image"];

test.for([
  ["handlr", "handler"],
  ["hanlder", "handler"],
  ["Handler", "handler"],
  ["enviroment", "environment"],
  ["environment_files", "environment_file"],
  ["lables", "labels"],
  ["lable", "labels"],
  ["limit", "limits"],
  ["lag", "lang"],
  ["network", undefined],
  ["x", undefined],
  ["", undefined],
  ["imago_dei", undefined],
  ["environmentenvironmentenvironmentenvironmentenvironmentenvironment", undefined],
])("whoever writes %s means %s", ([word = "", meant]) => {
  expect(nearestWord(word, words)).toBe(meant);
});
