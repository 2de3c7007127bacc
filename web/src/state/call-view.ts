/** The rows of the table: the store's calls, filtered and sorted, updated incrementally. */

import type { Summary } from "../api/types";
import { type Changes, mergeSorted } from "../feed/call-store";

export type Matches = (call: Summary) => boolean;
/** A total order: two different calls never compare as equal. */
export type Compare = (a: Summary, b: Summary) => number;

export const byId: Compare = (a, b) => a.id - b.id;

export class CallView {
  /** Replaced by a new array on every change. */
  rows: readonly Summary[] = [];
  private compare: Compare = byId;
  private matches: Matches = () => true;

  /** Compute all rows: after a change of filter or order, or after a pause. */
  rebuild(calls: readonly Summary[], matches: Matches, compare: Compare): void {
    this.matches = matches;
    this.compare = compare;
    const rows = calls.filter(matches);
    if (compare !== byId) rows.sort(compare);
    this.rows = rows;
  }

  /** Apply changes of the store. Returns whether any row was added, removed or changed. */
  apply(changes: Changes): boolean {
    const removed: number[] = [];
    const inserted: Summary[] = [];
    const replaced: [number, Summary][] = [];
    for (const call of changes.added) if (this.matches(call)) inserted.push(call);
    for (const { before, after } of changes.updated) {
      const at = this.matches(before) ? this.positionOf(before) : -1;
      const matches = this.matches(after);
      if (at >= 0 && matches && this.compare(before, after) === 0) replaced.push([at, after]);
      else {
        if (at >= 0) removed.push(at);
        if (matches) inserted.push(after);
      }
    }
    for (const call of changes.removed) {
      const at = this.matches(call) ? this.positionOf(call) : -1;
      if (at >= 0) removed.push(at);
    }
    if (removed.length === 0 && inserted.length === 0 && replaced.length === 0) return false;
    const rows = this.rows.slice();
    for (const [at, after] of replaced) rows[at] = after;
    this.rows = this.merge(removeAt(rows, removed), inserted.sort(this.compare));
    return true;
  }

  /** Index of a call's row, by binary search; -1 if it has none. */
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

  private merge(rows: Summary[], inserted: Summary[]): Summary[] {
    const [first, last] = [rows[0], rows.at(-1)];
    if (inserted.length === 0) return rows;
    if (first === undefined || last === undefined) return inserted;
    if (this.compare(last, inserted[0] as Summary) < 0) {
      for (const row of inserted) rows.push(row);
      return rows;
    }
    if (this.compare(inserted.at(-1) as Summary, first) < 0) return inserted.concat(rows);
    return mergeSorted(rows, inserted, this.compare);
  }
}

/** Remove the given indices from `rows` in place; returns `rows`. */
function removeAt(rows: Summary[], indices: number[]): Summary[] {
  if (indices.length === 0) return rows;
  indices.sort((a, b) => a - b);
  const first = indices[0] as number;
  if ((indices.at(-1) as number) - first + 1 === indices.length) {
    rows.splice(first, indices.length); // one contiguous block, as after an eviction
    return rows;
  }
  let to = first;
  let next = 0;
  for (let from = first; from < rows.length; from++) {
    if (from === indices[next]) next += 1;
    else rows[to++] = rows[from] as Summary;
  }
  rows.length = to;
  return rows;
}
