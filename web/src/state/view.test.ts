import { describe, expect, test } from "vitest";
import type { Summary } from "../api/types";
import { Book } from "../feed/book";
import { sample } from "../feed/sample";
import { type ColumnId, compareBy, DEFAULT_ORDER, toggled } from "./order";
import { byId, View } from "./view";

/** A small generator of numbers, the same every time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const COLUMNS: ColumnId[] = ["id", "duration", "status", "method", "messages"];
const matches = (call: Summary) => call.status === null || call.status.code !== 5;

describe.each(
  COLUMNS.flatMap((column) => [
    { column, descending: false },
    { column, descending: true },
  ]),
)("$column, descending: $descending", (order) => {
  test("change by change it equals what a rebuild gives", () => {
    const random = numbers(7);
    const book = new Book();
    const view = new View();
    const compare = compareBy(order);
    view.rebuild([], matches, compare);
    let next = 1;
    for (let step = 0; step < 200; step++) {
      const batch: Summary[] = [];
      for (let count = random() * 5; count > 0; count--) {
        batch.push(sample(next++, { state: "live", status: null, duration_us: null, version: 1 }));
      }
      for (const call of book.all()) {
        if (random() > 0.1) continue;
        const code = Math.floor(random() * 8);
        batch.push({
          ...call,
          version: call.version + 1,
          state: "ended",
          duration_us: Math.floor(random() * 50),
          status: { code, name: String(code), message: "" },
          messages: [1, Math.floor(random() * 9)],
        });
      }
      view.apply(book.apply(batch));
      if (step % 20 === 19) view.apply(book.evict(Math.max(1, next - 60)));
      const expected = book.all().filter(matches).sort(compare);
      expect(view.rows).toEqual(expected);
    }
  });
});

test("rows that were handed out do not change afterwards", () => {
  const view = new View();
  const book = new Book();
  view.rebuild([], () => true, byId);
  view.apply(book.apply([sample(1), sample(2)]));
  const kept = view.rows;
  view.apply(book.apply([sample(1, { version: 2 }), sample(3)]));
  expect(kept.map(({ version }) => version)).toEqual([1, 1]);
  expect(view.apply({ added: [], updated: [], removed: [] })).toBe(false);
});

test("a heading sorts one way, the other way, and then not", () => {
  const first = toggled(DEFAULT_ORDER, "duration");
  expect(first).toEqual({ column: "duration", descending: true });
  const second = toggled(first, "duration");
  expect(second).toEqual({ column: "duration", descending: false });
  expect(toggled(second, "duration")).toEqual(DEFAULT_ORDER);
});
