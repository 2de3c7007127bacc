/** The columns of the table, and which of them fit a width. Pure; user settings are in `table-layout.svelte.ts`. */

import type { ColumnId } from "../state/sort-order";

export interface Column {
  readonly id: ColumnId;
  readonly title: string;
  /** Tooltip of the header. */
  readonly hint?: string;
  readonly width: number;
  readonly min: number;
  /** Where there is little room, it is made this narrow before any column is hidden. */
  readonly narrow?: number;
  readonly align?: "end";
  /** If not all columns fit, those with the lowest rank are hidden. */
  readonly rank: number;
}

/** Minimum width of the method column, which takes the remaining width. */
export const METHOD_MIN = 220;
/** The same where there is little room. */
const METHOD_NARROW = 150;
/** Width of the kind column with its icon alone. */
export const KIND_NARROW = 46;

export const COLUMNS: readonly Column[] = [
  { id: "id", title: "#", hint: "Number of the call", width: 56, min: 40, narrow: 46, align: "end", rank: 6 },
  { id: "time", title: "Time", hint: "Start of the call", width: 110, min: 84, narrow: 98, rank: 7 },
  { id: "method", title: "Method", width: METHOD_MIN, min: METHOD_NARROW, narrow: METHOD_NARROW, rank: 10 },
  { id: "kind", title: "Kind", hint: "Stream type", width: 76, min: 30, narrow: KIND_NARROW, rank: 3 },
  { id: "status", title: "Status", width: 186, min: 60, narrow: 124, rank: 9 },
  { id: "duration", title: "Duration", width: 84, min: 64, narrow: 76, align: "end", rank: 8 },
  {
    id: "messages",
    title: "Messages",
    hint: "Messages to the backend ↑ and from it ↓",
    width: 112,
    min: 84,
    align: "end",
    rank: 5,
  },
  {
    id: "bytes",
    title: "Bytes",
    hint: "Bytes of messages to the backend ↑ and from it ↓",
    width: 150,
    min: 120,
    align: "end",
    rank: 2,
  },
  { id: "peer", title: "Peer", hint: "The client's address", width: 124, min: 72, rank: 1 },
  {
    id: "flags",
    title: "Flags",
    hint: "live, replayed, edited, truncated, unobserved, restored, modified, held",
    width: 132,
    min: 48,
    narrow: 72,
    rank: 4,
  },
];

export type Widths = Readonly<Partial<Record<ColumnId, number>>>;

export interface Fit {
  readonly columns: readonly Column[];
  /** In px; the method column takes what is left beyond its own. */
  readonly widths: Widths;
}

/**
 * The columns that fit in `available` px and their widths. Columns are made narrow before one is hidden, and hidden by
 * rank; the room that is left goes to those that were made narrow, the most important ones first.
 */
export function fitColumns(columns: readonly Column[], widths: Widths, available: number): Fit {
  const full = (column: Column) => widths[column.id] ?? column.width;
  const narrow = (column: Column) => Math.min(full(column), column.narrow ?? Infinity);
  const byRank = [...columns].sort((a, b) => b.rank - a.rank);
  const sum = () => byRank.reduce((total, column) => total + narrow(column), 0);
  while (byRank.length > 1 && sum() > available) byRank.pop();
  let room = Math.max(0, available - sum());
  const fitted: Partial<Record<ColumnId, number>> = {};
  for (const column of byRank) {
    const extra = Math.min(room, full(column) - narrow(column));
    room -= extra;
    fitted[column.id] = narrow(column) + extra;
  }
  return { columns: columns.filter(({ id }) => fitted[id] !== undefined), widths: fitted };
}

/** Value of `grid-template-columns`. */
export function gridTemplate({ columns, widths }: Fit): string {
  return columns
    .map(({ id, width }) => (id === "method" ? `minmax(${widths[id] ?? width}px, 1fr)` : `${widths[id] ?? width}px`))
    .join(" ");
}
