/** The gRPC status codes by number: name, meaning and appearance. */

import type { Summary } from "../api/types";

export const CODES: readonly string[] = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

export type Tone = "ok" | "quiet" | "warn" | "bad" | "live";
export type StatusIcon = "check" | "cross" | "slash" | "clock" | "plug" | "lock" | "warn" | "dot";

/** Colour by severity, icon by kind; always shown beside the code's name. */
export function statusAppearance(code: number | null): { tone: Tone; icon: StatusIcon } {
  switch (code) {
    case null:
      return { tone: "live", icon: "dot" };
    case 0:
      return { tone: "ok", icon: "check" };
    case 1:
      return { tone: "quiet", icon: "slash" };
    case 4:
      return { tone: "warn", icon: "clock" };
    case 7:
    case 16:
      return { tone: "warn", icon: "lock" };
    case 8:
    case 9:
    case 10:
    case 11:
    case 3:
    case 5:
    case 6:
      return { tone: "warn", icon: "warn" };
    case 14:
      return { tone: "bad", icon: "plug" };
    default:
      return { tone: "bad", icon: "cross" };
  }
}

/** The status message of a call whose end was not recorded (loom/model/projection.py). */
const INTERRUPTED = "Loom stopped before this call ended";

/** Whether the recording ended before the call did, as that of a stream that was open when it was exported. */
export const wasOpen = ({ status, ended_by }: Pick<Summary, "status" | "ended_by">): boolean =>
  ended_by === "loom" && status?.code === 2 && status.message === INTERRUPTED;

/** Appearance of a call's status, and its name for display (not escaped). */
export function callAppearance(call: Pick<Summary, "status" | "ended_by">): {
  tone: Tone;
  icon: StatusIcon;
  name: string;
} {
  if (wasOpen(call)) return { tone: "quiet", icon: "dot", name: "still open" };
  return { ...statusAppearance(call.status?.code ?? null), name: call.status?.name ?? "in flight" };
}

/** What each code means, after the gRPC documentation. */
export const CODE_DESCRIPTIONS: readonly string[] = [
  "The call succeeded.",
  "The call was cancelled, usually by the client.",
  "Unknown error, often an unhandled exception in the backend.",
  "The request is invalid, regardless of the state of the backend.",
  "The deadline expired before the call completed; the backend may still have completed it.",
  "The requested entity was not found.",
  "The entity to create already exists.",
  "The caller is authenticated but not permitted to do this.",
  "A quota or resource is exhausted.",
  "The backend is not in the state required for this call.",
  "The call was aborted, usually because of a concurrency conflict; retry at a higher level.",
  "The call went past the valid range.",
  "The backend does not implement or support this method.",
  "Internal error: an invariant of the backend is broken.",
  "The backend is currently unavailable; a retry may succeed.",
  "Unrecoverable data loss or corruption.",
  "Credentials are missing or invalid.",
];
