import { describe, expect, test } from "vitest";
import { COLUMNS, fitting, METHOD_MIN, template } from "./columns";
import { atEnd, revealing, windowOf } from "./window";

describe("the window", () => {
  test("shows what is on screen and a little more", () => {
    expect(windowOf(100_000, 28, 28_000, 280, 4)).toEqual({
      first: 996,
      end: 1014,
      offset: 996 * 28,
      height: 2_800_000,
    });
  });
  test("is empty without rows and whole with few", () => {
    expect(windowOf(0, 28, 500, 280)).toEqual({ first: 0, end: 0, offset: 0, height: 0 });
    expect(windowOf(3, 28, 0, 280)).toMatchObject({ first: 0, end: 3 });
  });
  test("holds when rows go and the place is past the end", () => {
    expect(windowOf(10, 28, 90_000, 280, 0)).toMatchObject({ first: 0, end: 10 });
  });
  test("moves no further than needed to show a row", () => {
    expect(revealing(5, 28, 0, 280)).toBe(0);
    expect(revealing(20, 28, 0, 280)).toBe(21 * 28 - 280);
    expect(revealing(5, 28, 1000, 280)).toBe(140);
  });
  test("knows its end", () => {
    expect(atEnd(100, 28, 2800 - 280, 280)).toBe(true);
    expect(atEnd(100, 28, 2800 - 280 - 20, 280)).toBe(false);
  });
});

describe("columns", () => {
  const shown = (width: number) => fitting(COLUMNS, {}, width).map(({ id }) => id);
  test("all fit a wide window", () => expect(shown(1900)).toHaveLength(COLUMNS.length));
  test("the least important give way, the method never", () => {
    expect(shown(700)).not.toContain("peer");
    expect(shown(700)).toContain("status");
    expect(shown(50)).toEqual(["method"]);
  });
  test("what is shown is never wider than the window, but for the method alone", () => {
    for (let width = METHOD_MIN; width < 2000; width += 37) {
      const sum = fitting(COLUMNS, {}, width).reduce(
        (all, one) => all + (one.id === "method" ? METHOD_MIN : one.width),
        0,
      );
      expect(sum).toBeLessThanOrEqual(width);
    }
  });
  test("the method takes the rest", () => {
    expect(template(fitting(COLUMNS, { id: 70 }, 330), { id: 70 })).toContain(`minmax(${METHOD_MIN}px, 1fr)`);
  });
});
