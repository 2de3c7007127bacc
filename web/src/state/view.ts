/** The rows that the table shows: the book's calls, filtered and sorted, kept up to date change by change. */

import type { Summary } from "../api/types";
import { type Changes, mergeSorted } from "../feed/book";

export type Matches = (call: Summary) => boolean;
/** A total order: two different calls never compare as equal. */
export type Compare = (a: Summary, b: Summary) => number;

export const byId: Compare = (a, b) => a.id - b.id;

export class View {
  /** A new array after every change: whoever keeps one keeps a moment. */
  rows: readonly Summary[] = [];
  private compare: Compare = byId;
  private matches: Matches = () => true;

  /** Everything anew: after a change of filter or order, or when the view was frozen. */
  rebuild(calls: readonly Summary[], matches: Matches, compare: Compare): void {
    this.matches = matches;
    this.compare = compare;
    const rows = calls.filter(matches);
    if (compare !== byId) rows.sort(compare);
    this.rows = rows;
  }

  /** Carries changes of the book over; true if a row came, went or changed. */
  apply(changes: Changes): boolean {
    const gone: number[] = [];
    const come: Summary[] = [];
    const swapped: [number, Summary][] = [];
    for (const call of changes.added) if (this.matches(call)) come.push(call);
    for (const { before, after } of changes.updated) {
      const at = this.matches(before) ? this.positionOf(before) : -1;
      const stays = this.matches(after);
      if (at >= 0 && stays && this.compare(before, after) === 0) swapped.push([at, after]);
      else {
        if (at >= 0) gone.push(at);
        if (stays) come.push(after);
      }
    }
    for (const call of changes.removed) {
      const at = this.matches(call) ? this.positionOf(call) : -1;
      if (at >= 0) gone.push(at);
    }
    if (gone.length === 0 && come.length === 0 && swapped.length === 0) return false;
    const rows = this.rows.slice();
    for (const [at, after] of swapped) rows[at] = after;
    this.rows = this.including(without(rows, gone), come.sort(this.compare));
    return true;
  }

  /** Where a row stands, by binary search; -1 if it is not shown. */
  private positionOf(call: Summary): number {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.compare(this.rows[middle] as Summary, call) < 0) low = middle + 1;
      else high = middle;
    }
    return this.rows[low]?.id === call.id ? low : -1;
  }

  private including(rows: Summary[], come: Summary[]): Summary[] {
    const [first, last] = [rows[0], rows.at(-1)];
    if (come.length === 0) return rows;
    if (first === undefined || last === undefined) return come;
    if (this.compare(last, come[0] as Summary) < 0) {
      for (const row of come) rows.push(row);
      return rows;
    }
    if (this.compare(come.at(-1) as Summary, first) < 0) return come.concat(rows);
    return mergeSorted(rows, come, this.compare);
  }
}

/** `rows` without those at the positions `gone`; changes and returns `rows`. */
function without(rows: Summary[], gone: number[]): Summary[] {
  if (gone.length === 0) return rows;
  gone.sort((a, b) => a - b);
  const first = gone[0] as number;
  if ((gone.at(-1) as number) - first + 1 === gone.length) {
    rows.splice(first, gone.length); // one block, as eviction makes it
    return rows;
  }
  let to = first;
  let next = 0;
  for (let from = first; from < rows.length; from++) {
    if (from === gone[next]) next += 1;
    else rows[to++] = rows[from] as Summary;
  }
  rows.length = to;
  return rows;
}
