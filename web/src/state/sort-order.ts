/** Sort orders of the table. Ties are broken by id, so that the order is total. */

import type { Summary } from "../api/types";
import { methodParts } from "../format/method";
import { byId, type Compare } from "./call-view";

export type ColumnId =
  "id" | "time" | "method" | "kind" | "status" | "duration" | "messages" | "bytes" | "peer" | "flags";

export interface SortOrder {
  readonly column: ColumnId;
  readonly descending: boolean;
}

export const DEFAULT_ORDER: SortOrder = { column: "id", descending: false };

const UNKNOWN = Number.MAX_SAFE_INTEGER; // calls in flight sort last

const KEYS: Record<ColumnId, (call: Summary) => number | string> = {
  id: (call) => call.id,
  time: (call) => call.started_us,
  method: (call) => `${methodParts(call.method).name}\0${call.method}`,
  kind: (call) => call.kind,
  status: (call) => call.status?.code ?? UNKNOWN,
  duration: (call) => call.duration_us ?? UNKNOWN,
  messages: (call) => call.messages[0] + call.messages[1],
  bytes: (call) => call.bytes[0] + call.bytes[1],
  peer: (call) => call.peer,
  flags: (call) => (call.state === "live" ? " live" : call.flags.join(" ")),
};

export function compareBy({ column, descending }: SortOrder): Compare {
  if (column === "id" && !descending) return byId;
  const key = KEYS[column];
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const left = key(a);
    const right = key(b);
    return sign * (left < right ? -1 : left > right ? 1 : a.id - b.id);
  };
}

/** The order after a click on a column header: one direction, the other, then the default order. */
export function nextSortOrder(order: SortOrder, column: ColumnId): SortOrder {
  if (order.column !== column) return { column, descending: column !== "method" && column !== "peer" };
  const first = column !== "method" && column !== "peer";
  return order.descending === first ? { column, descending: !first } : DEFAULT_ORDER;
}
