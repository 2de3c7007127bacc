import { describe, expect, test } from "vitest";
import { sample } from "../feed/sample";
import { parse } from "./query";
import { exactly, has, toggled, wordsOf } from "./terms_in";

describe("terms in a filter", () => {
  test("are put in and taken out, and leave the others as they are", () => {
    expect(toggled("", "is:error")).toBe("is:error");
    expect(toggled('body:"a  b" kind:bidi', "is:error")).toBe('body:"a  b" kind:bidi is:error');
    expect(toggled('body:"a  is:error b" is:error', "is:error")).toBe('body:"a  is:error b"');
    expect(has('body:"is:live"', "is:live")).toBe(false);
  });
  test("are words, whatever is quoted in them", () => {
    expect(wordsOf(' a  -b:"c \\" d",e /f/')).toEqual(["a", '-b:"c \\" d",e', "/f/"]);
    expect(wordsOf('a:"not closed yet')).toEqual(['a:"not closed yet']);
  });
  test.each(["/acme.shop.v1.Shop/GetOrder", "/a b/c,d", '/q"u\\o/te*', "/-x/y:z"])(
    "of a method hold for it: %s",
    (method) => {
      const { answer } = parse(exactly("method", method));
      expect(answer(sample(1, { method }))).toBe(true);
      expect(answer(sample(2, { method: `${method}x` }))).toBe(false);
    },
  );
});
