import { describe, expect, test } from "vitest";
import { sampleCall } from "../feed/sample-call";
import { parseFilter } from "./query";
import { exactTerm, hasTerm, toggleTerm, splitTerms } from "./term-text";

describe("terms in a filter", () => {
  test("are added and removed without changing others", () => {
    expect(toggleTerm("", "is:error")).toBe("is:error");
    expect(toggleTerm('body:"a  b" kind:bidi', "is:error")).toBe('body:"a  b" kind:bidi is:error');
    expect(toggleTerm('body:"a  is:error b" is:error', "is:error")).toBe('body:"a  is:error b"');
    expect(hasTerm('body:"is:live"', "is:live")).toBe(false);
  });
  test("are split at spaces outside quotes", () => {
    expect(splitTerms(' a  -b:"c \\" d",e /f/')).toEqual(["a", '-b:"c \\" d",e', "/f/"]);
    expect(splitTerms('a:"not closed yet')).toEqual(['a:"not closed yet']);
  });
  test.each(["/acme.shop.v1.Shop/GetOrder", "/a b/c,d", '/q"u\\o/te*', "/-x/y:z"])(
    "match exactly one method: %s",
    (method) => {
      const { matches } = parseFilter(exactTerm("method", method));
      expect(matches(sampleCall(1, { method }))).toBe(true);
      expect(matches(sampleCall(2, { method: `${method}x` }))).toBe(false);
    },
  );
});
