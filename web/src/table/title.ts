/** What a cell says in full, where the row has room for a part only. Pure. */

import type { Summary } from "../api/types";
import { KINDS } from "../format/method";
import { grouped, moment } from "../format/units";
import type { ColumnId } from "../state/order";

export function titleOf(call: Summary, column: ColumnId): string {
  switch (column) {
    case "time":
      return moment(call.started_us);
    case "method":
      return call.method;
    case "kind":
      return KINDS[call.kind].label + (call.kind_known ? "" : ", judging by the traffic so far");
    case "status":
      return call.status === null
        ? "in flight"
        : `${call.status.name} (${call.status.code}) ${call.status.message}`.trim();
    case "duration":
      return call.duration_us === null ? "so far: it is in flight" : `${grouped(call.duration_us)} µs`;
    case "messages":
      return `${grouped(call.messages[0])} up, ${grouped(call.messages[1])} down`;
    case "bytes":
      return `${grouped(call.bytes[0])} bytes up, ${grouped(call.bytes[1])} bytes down`;
    case "peer":
      return call.peer;
    case "flags":
      return [...(call.state === "live" ? ["live"] : []), ...call.flags].join(", ");
    default:
      return "";
  }
}
