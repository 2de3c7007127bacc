/** The seventeen codes of gRPC, by number, and how the page tells them apart. */

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

/** Colour says how bad, the icon says what kind: neither stands alone, the name is always there. */
export function looks(code: number | null): { tone: Tone; icon: StatusIcon } {
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

/** What a code means, for those who do not know the list by heart. */
export const MEANINGS: readonly string[] = [
  "The call succeeded.",
  "Somebody gave the call up, usually the client.",
  "An error that says no more; often an exception in the backend.",
  "The request is wrong in itself, whatever state the backend is in.",
  "Time ran out before the call was done; the backend may have done it all the same.",
  "What was asked for does not exist.",
  "What was to be created exists already.",
  "The caller is known and not allowed to do this.",
  "A quota or a resource is used up.",
  "The backend is not in the state that this needs.",
  "A conflict with something concurrent; the caller may try the whole again.",
  "Past the valid range.",
  "The backend has no such method, or does not support it.",
  "Something that the backend relies on is broken.",
  "The backend cannot be reached now; trying again may help.",
  "Data was lost or is corrupt.",
  "The caller's credentials are missing or not valid.",
];
