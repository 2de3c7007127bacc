/**
 * The table's window: which rows of fixed height are on screen. Pure arithmetic.
 *
 * Heights stay below what browsers can lay out (about 17 million px in Firefox): 28 px a row
 * leaves room for 600,000 rows.
 */

export interface Window {
  /** Index of the first rendered row. */
  readonly first: number;
  /** Index after the last rendered row. */
  readonly end: number;
  /** Pixels above the first rendered row. */
  readonly offset: number;
  /** Pixels of all rows. */
  readonly height: number;
}

export function windowOf(count: number, rowHeight: number, scrollTop: number, viewport: number, overscan = 8): Window {
  const top = Math.max(0, Math.min(scrollTop, count * rowHeight - viewport));
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const end = Math.min(count, Math.ceil((top + viewport) / rowHeight) + overscan);
  return { first, end: Math.max(first, end), offset: first * rowHeight, height: count * rowHeight };
}

/** The least scrolling that brings a row into view. */
export function revealing(index: number, rowHeight: number, scrollTop: number, viewport: number): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + viewport) return top + rowHeight - viewport;
  return scrollTop;
}

/** Whether the end is in view, so that new rows should keep it in view. */
export function atEnd(count: number, rowHeight: number, scrollTop: number, viewport: number): boolean {
  return scrollTop + viewport >= count * rowHeight - rowHeight / 2;
}
