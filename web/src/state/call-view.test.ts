import { describe, expect, test } from "vitest";
import type { Summary } from "../api/types";
import { CallStore } from "../feed/call-store";
import { sampleCall } from "../feed/sample-call";
import { type ColumnId, compareBy, DEFAULT_ORDER, nextSortOrder } from "./sort-order";
import { byId, CallView } from "./call-view";

/** A deterministic random number generator. */
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
  test("incremental updates equal a rebuild", () => {
    const random = numbers(7);
    const store = new CallStore();
    const view = new CallView();
    const compare = compareBy(order);
    view.rebuild([], matches, compare);
    let next = 1;
    for (let step = 0; step < 200; step++) {
      const batch: Summary[] = [];
      for (let count = random() * 5; count > 0; count--) {
        batch.push(sampleCall(next++, { state: "live", status: null, duration_us: null, version: 1 }));
      }
      for (const call of store.all()) {
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
      view.apply(store.apply(batch));
      if (step % 20 === 19) view.apply(store.evict(Math.max(1, next - 60)));
      const expected = store.all().filter(matches).sort(compare);
      expect(view.rows).toEqual(expected);
    }
  });
});

test("returned rows are not modified", () => {
  const view = new CallView();
  const store = new CallStore();
  view.rebuild([], () => true, byId);
  view.apply(store.apply([sampleCall(1), sampleCall(2)]));
  const before = view.rows;
  view.apply(store.apply([sampleCall(1, { version: 2 }), sampleCall(3)]));
  expect(before.map(({ version }) => version)).toEqual([1, 1]);
  expect(view.apply({ added: [], updated: [], removed: [] })).toBe(false);
});

test("a column header sorts in one direction, the other, then not at all", () => {
  const first = nextSortOrder(DEFAULT_ORDER, "duration");
  expect(first).toEqual({ column: "duration", descending: true });
  const second = nextSortOrder(first, "duration");
  expect(second).toEqual({ column: "duration", descending: false });
  expect(nextSortOrder(second, "duration")).toEqual(DEFAULT_ORDER);
});
