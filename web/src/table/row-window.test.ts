import { describe, expect, test } from "vitest";
import { COLUMNS, fitColumns, METHOD_MIN, gridTemplate } from "./columns";
import { isAtEnd, scrollTopToShow, rowWindow } from "./row-window";

describe("the row window", () => {
  test("covers the visible rows plus overscan", () => {
    expect(rowWindow(100_000, 28, 28_000, 280, 4)).toEqual({
      first: 996,
      end: 1014,
      offset: 996 * 28,
      height: 2_800_000,
    });
  });
  test("is empty without rows and complete with few", () => {
    expect(rowWindow(0, 28, 500, 280)).toEqual({ first: 0, end: 0, offset: 0, height: 0 });
    expect(rowWindow(3, 28, 0, 280)).toMatchObject({ first: 0, end: 3 });
  });
  test("clamps a scroll position past the end", () => {
    expect(rowWindow(10, 28, 90_000, 280, 0)).toMatchObject({ first: 0, end: 10 });
  });
  test("scrolls no further than needed to show a row", () => {
    expect(scrollTopToShow(5, 28, 0, 280)).toBe(0);
    expect(scrollTopToShow(20, 28, 0, 280)).toBe(21 * 28 - 280);
    expect(scrollTopToShow(5, 28, 1000, 280)).toBe(140);
  });
  test("detects the end", () => {
    expect(isAtEnd(100, 28, 2800 - 280, 280)).toBe(true);
    expect(isAtEnd(100, 28, 2800 - 280 - 20, 280)).toBe(false);
  });
});

describe("columns", () => {
  const shown = (width: number) => fitColumns(COLUMNS, {}, width).columns.map(({ id }) => id);
  test("all fit a wide window, in full width", () => {
    const { columns, widths } = fitColumns(COLUMNS, {}, 1900);
    expect(columns).toHaveLength(COLUMNS.length);
    for (const { id, width } of columns) expect(widths[id]).toBe(width);
  });
  test("they give way in order, from peer to method", () => {
    const given: string[] = [];
    let before = shown(2000);
    for (let width = 2000; width >= 50; width--) {
      const now = shown(width);
      given.push(...before.filter((id) => !now.includes(id)));
      before = now;
    }
    expect(given).toEqual(["peer", "bytes", "kind", "flags", "messages", "id", "time", "duration", "status"]);
    expect(shown(50)).toEqual(["method"]);
  });
  test("on a narrow window they are the method, the status and the duration", () => {
    expect(shown(385)).toEqual(["method", "status", "duration"]);
    expect(shown(640)).toEqual(["id", "time", "method", "status", "duration", "messages"]);
  });
  test("visible columns fit the width", () => {
    for (let width = 150; width < 2000; width += 37) {
      const { columns, widths } = fitColumns(COLUMNS, {}, width);
      expect(columns.reduce((total, { id }) => total + (widths[id] ?? 0), 0)).toBeLessThanOrEqual(width);
    }
  });
  test("the method takes the remaining width", () => {
    expect(gridTemplate(fitColumns(COLUMNS, { id: 70 }, 1900))).toContain(`minmax(${METHOD_MIN}px, 1fr)`);
    expect(gridTemplate(fitColumns(COLUMNS, { id: 70 }, 1900))).toMatch(/^70px /);
  });
});
