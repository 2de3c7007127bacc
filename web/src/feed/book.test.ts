import { expect, test } from "vitest";
import { Book, mergeSorted, positionOf } from "./book";
import { sample } from "./sample";

const ids = (book: Book) => book.all().map(({ id }) => id);

test("batches and pages may overlap and come in any order", () => {
  const book = new Book();
  book.apply([sample(5), sample(6)]);
  book.apply([sample(1), sample(2)]);
  book.apply([sample(4), sample(2), sample(9), sample(5)]);
  expect(ids(book)).toEqual([1, 2, 4, 5, 6, 9]);
});

test("only a newer version replaces a call, and tells which it replaced", () => {
  const book = new Book();
  const first = sample(1, { version: 2 });
  book.apply([first]);
  expect(book.apply([sample(1, { version: 2 }), sample(1, { version: 1 })]).updated).toEqual([]);
  const newer = sample(1, { version: 3 });
  expect(book.apply([newer]).updated).toEqual([{ before: first, after: newer }]);
  expect(book.get(1)).toBe(newer);
  expect(book.all()).toEqual([newer]);
});

test("a call that begins and ends in one batch is there once, ended", () => {
  const book = new Book();
  book.apply([sample(1)]);
  const live = { state: "live", version: 1 } as const;
  const changes = book.apply([sample(2, live), sample(3, live), sample(2, { version: 2 }), sample(3, { version: 2 })]);
  expect(ids(book)).toEqual([1, 2, 3]);
  expect(changes.added.map(({ state }) => state)).toEqual(["ended", "ended"]);
  expect(changes.updated).toEqual([]);
});

test("ended calls below the oldest of the server go, those in flight stay", () => {
  const book = new Book();
  book.apply([sample(1, { state: "live" }), sample(2), sample(3), sample(4)]);
  expect(book.evict(4).removed.map(({ id }) => id)).toEqual([2, 3]);
  expect(ids(book)).toEqual([1, 4]);
  expect(book.get(2)).toBeUndefined();
});

test("a page holds no more than its capacity", () => {
  const book = new Book(3);
  book.apply([1, 2, 3].map((id) => sample(id)));
  expect(book.apply([sample(4), sample(5)]).removed.map(({ id }) => id)).toEqual([1, 2]);
  expect(ids(book)).toEqual([3, 4, 5]);
});

test("positions and merges", () => {
  const calls = [1, 3, 5].map((id) => sample(id));
  expect([0, 1, 2, 5, 6].map((id) => positionOf(calls, id))).toEqual([0, 0, 1, 2, 3]);
  expect(mergeSorted([1, 4, 6], [2, 4, 9], (a, b) => a - b)).toEqual([1, 2, 4, 4, 6, 9]);
});
