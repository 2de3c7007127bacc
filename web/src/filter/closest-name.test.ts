import { expect, test } from "vitest";
import { closestName } from "./closest-name";
import { TERMS } from "./terms";

test.each([
  ["durat", "duration"],
  ["statuz", "status"],
  ["mehtod", "method"],
  ["kinds", "kind"],
  ["http", null],
  ["x", null],
] as const)("%s is close to %s", (word, name) => {
  expect(closestName(word, TERMS.keys())).toBe(name);
});
