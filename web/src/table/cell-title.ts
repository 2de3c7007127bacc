/** Tooltips of cells: the complete value. Pure. */

import type { Summary } from "../api/types";
import { KINDS } from "../format/method";
import { wasOpen } from "../format/status";
import { formatNumber, formatTimestamp } from "../format/units";
import type { ColumnId } from "../state/sort-order";

export function cellTitle(call: Summary, column: ColumnId): string {
  switch (column) {
    case "time":
      return formatTimestamp(call.started_us);
    case "method":
      return call.method;
    case "kind":
      return KINDS[call.kind].label + (call.kind_known ? "" : ", guessed from the traffic so far");
    case "status":
      return call.status === null
        ? "in flight"
        : wasOpen(call)
          ? "still open when the recording ended"
          : `${call.status.name} (${call.status.code}) ${call.status.message}`.trim();
    case "duration":
      return call.duration_us === null ? "in flight" : `${formatNumber(call.duration_us)} µs`;
    case "messages":
      return `${formatNumber(call.messages[0])} up, ${formatNumber(call.messages[1])} down`;
    case "bytes":
      return `${formatNumber(call.bytes[0])} bytes up, ${formatNumber(call.bytes[1])} bytes down`;
    case "peer":
      return call.peer;
    case "flags":
      return [
        ...(call.state === "live" ? ["live"] : []),
        ...call.flags,
        ...call.rules.map((name) => `rule ${name}`),
        ...call.faults.map((name) => `fault ${name}`),
      ].join(", ");
    default:
      return "";
  }
}
