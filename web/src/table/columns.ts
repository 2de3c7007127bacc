/** The columns of the table, and which of them fit a width. Pure; user settings are in `table-layout.svelte.ts`. */

import type { ColumnId } from "../state/sort-order";

export interface Column {
  readonly id: ColumnId;
  readonly title: string;
  /** Tooltip of the header. */
  readonly hint?: string;
  readonly width: number;
  readonly min: number;
  readonly align?: "end";
  /** If not all columns fit, those with the lowest rank are hidden. */
  readonly rank: number;
}

/** Minimum width of the method column, which takes the remaining width. */
export const METHOD_MIN = 220;

export const COLUMNS: readonly Column[] = [
  { id: "id", title: "#", hint: "Number of the call", width: 56, min: 40, align: "end", rank: 8 },
  { id: "time", title: "Time", hint: "Start of the call", width: 110, min: 84, rank: 4 },
  { id: "method", title: "Method", width: 320, min: METHOD_MIN, rank: 10 },
  { id: "kind", title: "Kind", hint: "Stream type", width: 76, min: 30, rank: 5 },
  { id: "status", title: "Status", width: 186, min: 60, rank: 9 },
  { id: "duration", title: "Duration", width: 84, min: 64, align: "end", rank: 7 },
  {
    id: "messages",
    title: "Messages",
    hint: "Messages to the backend ↑ and from it ↓",
    width: 112,
    min: 84,
    align: "end",
    rank: 6,
  },
  {
    id: "bytes",
    title: "Bytes",
    hint: "Bytes of messages to the backend ↑ and from it ↓",
    width: 150,
    min: 120,
    align: "end",
    rank: 3,
  },
  { id: "peer", title: "Peer", hint: "The client's address", width: 124, min: 72, rank: 1 },
  {
    id: "flags",
    title: "Flags",
    hint: "live, replayed, truncated, unobserved, restored, modified, held",
    width: 132,
    min: 48,
    rank: 2,
  },
];

export type Widths = Readonly<Partial<Record<ColumnId, number>>>;

/** The columns that fit in `available` px, in order of rank. */
export function fitColumns(columns: readonly Column[], widths: Widths, available: number): readonly Column[] {
  const widthOf = (column: Column) => (column.id === "method" ? METHOD_MIN : (widths[column.id] ?? column.width));
  let room = available;
  const visibleIds = new Set<ColumnId>();
  for (const column of [...columns].sort((a, b) => b.rank - a.rank)) {
    if (widthOf(column) > room && column.id !== "method") continue;
    visibleIds.add(column.id);
    room -= widthOf(column);
  }
  return columns.filter(({ id }) => visibleIds.has(id));
}

/** Value of `grid-template-columns`. */
export function gridTemplate(columns: readonly Column[], widths: Widths): string {
  return columns
    .map(({ id, width }) => (id === "method" ? `minmax(${METHOD_MIN}px, 1fr)` : `${widths[id] ?? width}px`))
    .join(" ");
}
