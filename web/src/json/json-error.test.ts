import { expect, test } from "vitest";
import { describeJsonError } from "./json-error";

function errorOf(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return describeJsonError(text, error);
  }
  throw new Error("valid JSON");
}

test.each([
  ["", "Not valid JSON: unexpected end of input (line 1)"],
  ['{\n  "a": 1,\n', "Not valid JSON: expected double-quoted property name (line 3)"],
  ['{\n  "a": ]\n}', "Not valid JSON: unexpected token ']'"],
  ["]", "Not valid JSON: unexpected token ']' (line 1)"],
  ["[1,\n2", "Not valid JSON: expected ',' or ']' after array element (line 2)"],
] as const)("V8: %j", (text, message) => expect(errorOf(text)).toBe(message));

test.each([
  [
    "JSON.parse: unexpected character at line 2 column 1 of the JSON data",
    "Not valid JSON: unexpected character (line 2)",
  ],
  ["JSON Parse error: Unexpected EOF", "Not valid JSON: unexpected end of input (line 1)"],
] as const)("other browsers: %s", (message, expected) => {
  expect(describeJsonError("{\n", new SyntaxError(message))).toBe(expected);
});
