/** The rows that the table shows: the book's calls, filtered and sorted, kept up to date change by change. */

import type { Summary } from "../api/types";
import { type Changes, mergeSorted } from "../feed/book";

export type Matches = (call: Summary) => boolean;
export type Compare = (a: Summary, b: Summary) => number;

export const byId: Compare = (a, b) => a.id - b.id;

export class View {
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
    const gone = new Set<Summary>();
    const come: Summary[] = [];
    const swapped = new Map<Summary, Summary>();
    for (const call of changes.added) if (this.matches(call)) come.push(call);
    for (const { before, after } of changes.updated) {
      const was = this.matches(before);
      const is = this.matches(after);
      if (was && is && this.compare(before, after) === 0) {
        swapped.set(before, after);
      } else {
        if (was) gone.add(before);
        if (is) come.push(after);
      }
    }
    for (const call of changes.removed) if (this.matches(call)) gone.add(call);
    if (gone.size === 0 && come.length === 0 && swapped.size === 0) return false;
    this.rows = this.merged(gone, come.sort(this.compare), swapped);
    return true;
  }

  private merged(gone: Set<Summary>, come: readonly Summary[], swapped: Map<Summary, Summary>): readonly Summary[] {
    const rows: Summary[] = [];
    const all = gone.size === 0 && swapped.size === 0;
    if (all) {
      for (const row of this.rows) rows.push(row);
    } else {
      for (const row of this.rows) if (!gone.has(row)) rows.push(swapped.get(row) ?? row);
    }
    const last = rows.at(-1);
    if (come.length === 0) return rows;
    if (last === undefined || this.compare(last, come[0] as Summary) <= 0) {
      for (const row of come) rows.push(row);
      return rows;
    }
    return mergeSorted(rows, come, this.compare);
  }
}
