/** The table's columns, and which of them fit a width. Pure; what people set is kept by `layout.svelte.ts`. */

import type { ColumnId } from "../state/order";

export interface Column {
  readonly id: ColumnId;
  readonly title: string;
  /** Where the heading alone is too short to understand. */
  readonly hint?: string;
  readonly width: number;
  readonly min: number;
  readonly align?: "end";
  /** Columns of a low rank give way first when there is no room. */
  readonly rank: number;
}

/** The method takes what the others leave, and this at least. */
export const METHOD_MIN = 168;

export const COLUMNS: readonly Column[] = [
  { id: "id", title: "#", hint: "Number of the call", width: 56, min: 40, align: "end", rank: 6 },
  { id: "time", title: "Time", hint: "When the call came in", width: 110, min: 84, rank: 4 },
  { id: "method", title: "Method", width: 320, min: METHOD_MIN, rank: 10 },
  { id: "kind", title: "Kind", hint: "Stream type", width: 76, min: 30, rank: 5 },
  { id: "status", title: "Status", width: 186, min: 60, rank: 9 },
  { id: "duration", title: "Duration", width: 84, min: 64, align: "end", rank: 8 },
  { id: "messages", title: "Messages", hint: "Messages to the backend ↑ and back ↓", width: 112, min: 84, align: "end", rank: 7 },
  { id: "bytes", title: "Bytes", hint: "Bytes of messages to the backend ↑ and back ↓", width: 164, min: 120, align: "end", rank: 3 },
  { id: "peer", title: "Peer", hint: "The client's address", width: 132, min: 72, rank: 1 },
  { id: "flags", title: "Flags", hint: "live, replayed, modified, truncated, restored", width: 112, min: 48, rank: 2 },
];

export type Widths = Readonly<Partial<Record<ColumnId, number>>>;

/** Which of the wanted columns are shown in `available` px: those of the lowest rank give way. */
export function fitting(wanted: readonly Column[], widths: Widths, available: number): readonly Column[] {
  const widthOf = (column: Column) => (column.id === "method" ? METHOD_MIN : (widths[column.id] ?? column.width));
  let total = wanted.reduce((sum, column) => sum + widthOf(column), 0);
  const gone = new Set<ColumnId>();
  for (const column of [...wanted].sort((a, b) => a.rank - b.rank)) {
    if (total <= available || column.id === "method") break;
    gone.add(column.id);
    total -= widthOf(column);
  }
  return wanted.filter(({ id }) => !gone.has(id));
}

/** The value of `grid-template-columns`. */
export function template(columns: readonly Column[], widths: Widths): string {
  return columns
    .map(({ id, width }) =>
      id === "method" ? `minmax(${METHOD_MIN}px, 1fr)` : `${widths[id] ?? width}px`,
    )
    .join(" ");
}
