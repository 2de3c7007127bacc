/**
 * The calls that the page holds: a plain array in order of id and a map, outside reactivity.
 *
 * A summary is never changed, only replaced by a newer version, so whoever keeps an array of
 * them keeps a moment. `apply` is idempotent: batches and pages may overlap and come in any order.
 */

import type { Summary } from "../api/types";

export interface Changes {
  readonly added: readonly Summary[];
  readonly updated: readonly { readonly before: Summary; readonly after: Summary }[];
  readonly removed: readonly Summary[];
}

export const NO_CHANGES: Changes = { added: [], updated: [], removed: [] };

/** The first position in `calls` (sorted by id) whose id is not below `id`. */
export function positionOf(calls: readonly Summary[], id: number): number {
  let low = 0;
  let high = calls.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((calls[middle] as Summary).id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Book {
  private calls: Summary[] = [];
  private readonly ids = new Map<number, Summary>();

  /** `capacity` is the most that a page holds, whatever the server does; the oldest go first. */
  constructor(private readonly capacity = 200_000) {}

  get size(): number {
    return this.calls.length;
  }

  get(id: number): Summary | undefined {
    return this.ids.get(id);
  }

  /** All calls, by id. The array is the book's own: read it, and do not keep it. */
  all(): readonly Summary[] {
    return this.calls;
  }

  apply(batch: readonly Summary[]): Changes {
    const added: Summary[] = [];
    const updated: { before: Summary; after: Summary }[] = [];
    for (const call of newestOf(batch)) {
      const before = this.ids.get(call.id);
      if (before === undefined) {
        added.push(call);
      } else if (call.version > before.version) {
        this.calls[positionOf(this.calls, call.id)] = call;
        updated.push({ before, after: call });
      } else {
        continue;
      }
      this.ids.set(call.id, call);
    }
    this.insert(added);
    const excess = this.calls.length - this.capacity;
    const removed = excess > 0 ? this.calls.splice(0, excess) : [];
    for (const call of removed) this.ids.delete(call.id);
    return { added, updated, removed };
  }

  private insert(added: Summary[]): void {
    if (added.length === 0) return;
    added.sort((a, b) => a.id - b.id);
    const last = this.calls.at(-1);
    if (last === undefined || last.id < (added[0] as Summary).id) {
      for (const call of added) this.calls.push(call);
    } else if ((added.at(-1) as Summary).id < (this.calls[0] as Summary).id) {
      this.calls = added.concat(this.calls); // a page of the history, newest page first
    } else {
      this.calls = mergeSorted(this.calls, added, (a, b) => a.id - b.id);
    }
  }

  /** Lets go of ended calls below `oldest`, which the server no longer holds. */
  evict(oldest: number): Changes {
    const first = this.calls[0];
    if (first === undefined || first.id >= oldest) return NO_CHANGES;
    return this.keep((call) => call.id >= oldest || call.state === "live");
  }

  keep(wanted: (call: Summary) => boolean): Changes {
    const removed: Summary[] = [];
    const kept: Summary[] = [];
    for (const call of this.calls) (wanted(call) ? kept : removed).push(call);
    if (removed.length === 0) return NO_CHANGES;
    for (const call of removed) this.ids.delete(call.id);
    this.calls = kept;
    return { added: [], updated: [], removed };
  }
}

/** Each call once: a frame may bring a call's beginning and its end. */
function newestOf(batch: readonly Summary[]): Iterable<Summary> {
  const newest = new Map<number, Summary>();
  for (const call of batch) {
    const other = newest.get(call.id);
    if (other === undefined || call.version > other.version) newest.set(call.id, call);
  }
  return newest.values();
}

/** Two sorted arrays as one, in linear time. */
export function mergeSorted<T>(left: readonly T[], right: readonly T[], compare: (a: T, b: T) => number): T[] {
  const merged: T[] = new Array(left.length + right.length);
  let l = 0;
  let r = 0;
  for (let at = 0; at < merged.length; at++) {
    const takeLeft = r >= right.length || (l < left.length && compare(left[l] as T, right[r] as T) <= 0);
    merged[at] = (takeLeft ? left[l++] : right[r++]) as T;
  }
  return merged;
}
