import { expect, test } from "vitest";
import { commandOf } from "./keys";
import { readPlace, START, writePlace } from "./route";

const read = (address: string) => readPlace(new URL(address, "http://localhost"));

test.each([
  START,
  { call: 12, tab: "messages", message: null, filter: "" },
  { call: 12, tab: "status", message: null, filter: "kind:bidi -status:OK" },
  { call: 7, tab: "messages", message: 99, filter: 'body:"a & b=c" /x+y/' },
] as const)("an address brings back the place: %o", (place) => {
  expect(read(writePlace(place))).toEqual(place);
});

test.each(["/calls/x", "/calls/-1", "/calls/1/nosuch/x", "/other"])("%s is the start", (path) => {
  expect(read(path).call).toBeNull();
});

test("an unknown tab is the first one", () => {
  expect(read("/calls/3/nosuch")).toEqual({ ...START, call: 3 });
});

const key = (name: string, held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {}) =>
  commandOf({ key: name, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

test("keys", () => {
  expect(key("j")).toBe("next");
  expect(key("X", { shiftKey: true })).toBe("clear");
  expect(key("x")).toBeNull();
  expect(key("Tab")).toBeNull();
  expect(key("c", { ctrlKey: true })).toBeNull();
  expect(key("r", { metaKey: true })).toBeNull();
});
