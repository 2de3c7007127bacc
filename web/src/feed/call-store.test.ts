import { expect, test } from "vitest";
import { CallStore, mergeSorted, positionOf } from "./call-store";
import { sampleCall } from "./sample-call";

const ids = (store: CallStore) => store.all().map(({ id }) => id);

test("batches and pages may overlap and come in any order", () => {
  const store = new CallStore();
  store.apply([sampleCall(5), sampleCall(6)]);
  store.apply([sampleCall(1), sampleCall(2)]);
  store.apply([sampleCall(4), sampleCall(2), sampleCall(9), sampleCall(5)]);
  expect(ids(store)).toEqual([1, 2, 4, 5, 6, 9]);
});

test("only a newer version replaces a call", () => {
  const store = new CallStore();
  const first = sampleCall(1, { version: 2 });
  store.apply([first]);
  expect(store.apply([sampleCall(1, { version: 2 }), sampleCall(1, { version: 1 })]).updated).toEqual([]);
  const newer = sampleCall(1, { version: 3 });
  expect(store.apply([newer]).updated).toEqual([{ before: first, after: newer }]);
  expect(store.get(1)).toBe(newer);
  expect(store.all()).toEqual([newer]);
});

test("a call that starts and ends in one batch is added once, ended", () => {
  const store = new CallStore();
  store.apply([sampleCall(1)]);
  const live = { state: "live", version: 1 } as const;
  const changes = store.apply([
    sampleCall(2, live),
    sampleCall(3, live),
    sampleCall(2, { version: 2 }),
    sampleCall(3, { version: 2 }),
  ]);
  expect(ids(store)).toEqual([1, 2, 3]);
  expect(changes.added.map(({ state }) => state)).toEqual(["ended", "ended"]);
  expect(changes.updated).toEqual([]);
});

test("evicts ended calls below the oldest, not those in flight", () => {
  const store = new CallStore();
  store.apply([sampleCall(1, { state: "live" }), sampleCall(2), sampleCall(3), sampleCall(4)]);
  expect(store.evict(4).removed.map(({ id }) => id)).toEqual([2, 3]);
  expect(ids(store)).toEqual([1, 4]);
  expect(store.get(2)).toBeUndefined();
});

test("is limited to its capacity", () => {
  const store = new CallStore(3);
  store.apply([1, 2, 3].map((id) => sampleCall(id)));
  expect(store.apply([sampleCall(4), sampleCall(5)]).removed.map(({ id }) => id)).toEqual([1, 2]);
  expect(ids(store)).toEqual([3, 4, 5]);
});

test("positions and merges", () => {
  const calls = [1, 3, 5].map((id) => sampleCall(id));
  expect([0, 1, 2, 5, 6].map((id) => positionOf(calls, id))).toEqual([0, 0, 1, 2, 3]);
  expect(mergeSorted([1, 4, 6], [2, 4, 9], (a, b) => a - b)).toEqual([1, 2, 4, 4, 6, 9]);
});
