/**
 * Virtualisation of rows of fixed height: which of them are visible. Pure.
 *
 * Browsers limit the height of an element (Firefox: about 17 million px), which is 600,000 rows of 28 px.
 */

export interface RowWindow {
  /** Index of the first rendered row. */
  readonly first: number;
  /** Index after the last rendered row. */
  readonly end: number;
  /** Pixels above the first rendered row. */
  readonly offset: number;
  /** Pixels of all rows. */
  readonly height: number;
}

export function rowWindow(
  count: number,
  rowHeight: number,
  scrollTop: number,
  viewport: number,
  overscan = 8,
): RowWindow {
  const top = Math.max(0, Math.min(scrollTop, count * rowHeight - viewport));
  const first = Math.max(0, Math.floor(top / rowHeight) - overscan);
  const end = Math.min(count, Math.ceil((top + viewport) / rowHeight) + overscan);
  return { first, end: Math.max(first, end), offset: first * rowHeight, height: count * rowHeight };
}

/** The scroll position closest to `scrollTop` that shows the row. */
export function scrollTopToShow(index: number, rowHeight: number, scrollTop: number, viewport: number): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + viewport) return top + rowHeight - viewport;
  return scrollTop;
}

/** Whether the last row is visible. */
export function isAtEnd(count: number, rowHeight: number, scrollTop: number, viewport: number): boolean {
  return scrollTop + viewport >= count * rowHeight - rowHeight / 2;
}
