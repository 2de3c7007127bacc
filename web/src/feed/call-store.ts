/**
 * The call summaries held by the page: an array sorted by id and a map, neither reactive.
 *
 * Summaries are immutable: an update replaces one with a newer version, so an array of them is a snapshot.
 * `apply` is idempotent: batches and history pages may overlap and arrive in any order.
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

export class CallStore {
  private calls: Summary[] = [];
  private readonly ids = new Map<number, Summary>();

  /** `capacity` limits the number of calls; the oldest are evicted first. */
  constructor(private readonly capacity = 200_000) {}

  get size(): number {
    return this.calls.length;
  }

  get(id: number): Summary | undefined {
    return this.ids.get(id);
  }

  /** All calls, sorted by id. The array is the store's own: do not keep or change it. */
  all(): readonly Summary[] {
    return this.calls;
  }

  apply(batch: readonly Summary[]): Changes {
    const added: Summary[] = [];
    const updated: { before: Summary; after: Summary }[] = [];
    for (const call of newestVersions(batch)) {
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
      this.calls = added.concat(this.calls); // a history page: pages arrive newest first
    } else {
      this.calls = mergeSorted(this.calls, added, (a, b) => a.id - b.id);
    }
  }

  /** Remove ended calls with an id below `oldest`, which the server has evicted. */
  evict(oldest: number): Changes {
    const first = this.calls[0];
    if (first === undefined || first.id >= oldest) return NO_CHANGES;
    return this.keep((call) => call.id >= oldest || call.state === "live");
  }

  keep(predicate: (call: Summary) => boolean): Changes {
    const removed: Summary[] = [];
    const remaining: Summary[] = [];
    for (const call of this.calls) (predicate(call) ? remaining : removed).push(call);
    if (removed.length === 0) return NO_CHANGES;
    for (const call of removed) this.ids.delete(call.id);
    this.calls = remaining;
    return { added: [], updated: [], removed };
  }
}

/** The newest version of each call in a batch, which may contain a call's start and end. */
function newestVersions(batch: readonly Summary[]): Iterable<Summary> {
  const newest = new Map<number, Summary>();
  for (const call of batch) {
    const other = newest.get(call.id);
    if (other === undefined || call.version > other.version) newest.set(call.id, call);
  }
  return newest.values();
}

/** Merge two sorted arrays in linear time. */
export function mergeSorted<T>(left: readonly T[], right: readonly T[], compare: (a: T, b: T) => number): T[] {
  const merged: T[] = new Array(left.length + right.length);
  let l = 0;
  let r = 0;
  for (let at = 0; at < merged.length; at++) {
    const fromLeft = r >= right.length || (l < left.length && compare(left[l] as T, right[r] as T) <= 0);
    merged[at] = (fromLeft ? left[l++] : right[r++]) as T;
  }
  return merged;
}
