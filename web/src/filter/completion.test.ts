import { expect, test } from "vitest";
import { complete } from "./completion";

const offers = (text: string) => complete(text, text.length).map(({ insert }) => insert);

test("suggests terms by prefix, and values of the term at the caret", () => {
  expect(offers("mes")).toEqual(["message:", "messages:", "messages.up:", "messages.down:"]);
  expect(offers("-kind:u")).toEqual(["unary"]);
  expect(offers("status:OK,NOT")).toEqual(["NOT_FOUND"]);
  expect(offers("order is:li")).toEqual(["live"]);
  expect(offers('body:"al')).toEqual([]);
});

test("replaces only the typed part of the word", () => {
  expect(complete("kind:bidi st", 12)[0]).toMatchObject({ from: 10, insert: "status:" });
});
