import { expect, test } from "vitest";
import { commandOf } from "./key-bindings";
import { parseRoute, DEFAULT_ROUTE, formatRoute } from "./route";

const read = (address: string) => parseRoute(new URL(address, "http://localhost"));

test.each([
  DEFAULT_ROUTE,
  { ...DEFAULT_ROUTE, call: 12 },
  { ...DEFAULT_ROUTE, call: 12, tab: "status", filter: "kind:bidi -status:OK" },
  { ...DEFAULT_ROUTE, call: 7, message: 99, filter: 'body:"a & b=c" /x+y/' },
  { ...DEFAULT_ROUTE, acting: true },
  { ...DEFAULT_ROUTE, call: 3, held: 12 },
  { ...DEFAULT_ROUTE, acting: true, breakpoint: "method:/a.b.C/Say -meta:x=1" },
  { ...DEFAULT_ROUTE, call: 7, acting: true, rule: 'a "rule" & more' },
] as const)("an address brings back the route: %o", (route) => {
  expect(read(formatRoute(route))).toEqual(route);
});

test.each(["/calls/x", "/calls/-1", "/calls/1/nosuch/x", "/other"])("%s is the default route", (path) => {
  expect(read(path).call).toBeNull();
});

test("an unknown tab falls back to the first", () => {
  expect(read("/calls/3/nosuch")).toEqual({ ...DEFAULT_ROUTE, call: 3 });
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
