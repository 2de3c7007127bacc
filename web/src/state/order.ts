/** The orders in which the table can be sorted. Ties fall back to the id, so that rows never jump. */

import type { Summary } from "../api/types";
import { methodParts } from "../format/method";
import { byId, type Compare } from "./view";

export type ColumnId =
  "id" | "time" | "method" | "kind" | "status" | "duration" | "messages" | "bytes" | "peer" | "flags";

export interface Order {
  readonly column: ColumnId;
  readonly descending: boolean;
}

export const DEFAULT_ORDER: Order = { column: "id", descending: false };

const UNKNOWN = Number.MAX_SAFE_INTEGER; // calls in flight sort behind all others

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

export function compareBy({ column, descending }: Order): Compare {
  if (column === "id" && !descending) return byId;
  const key = KEYS[column];
  const sign = descending ? -1 : 1;
  return (a, b) => {
    const left = key(a);
    const right = key(b);
    return sign * (left < right ? -1 : left > right ? 1 : a.id - b.id);
  };
}

/** A click on a heading: up, down, and back to the order of arrival. */
export function toggled(order: Order, column: ColumnId): Order {
  if (order.column !== column) return { column, descending: column !== "method" && column !== "peer" };
  const first = column !== "method" && column !== "peer";
  return order.descending === first ? { column, descending: !first } : DEFAULT_ORDER;
}
