/** What the page says about the connection to the target: its state and the circuit breaker as one condition. Pure. */

import type { BreakerStatus, TargetStatus } from "../api/types";

export interface TargetCondition {
  readonly text: string;
  readonly tone: "quiet" | "ok" | "bad";
}

const STATES = { idle: "not connected yet", connecting: "connecting…", ready: "ready", down: "down" } as const;

export function targetCondition(target: TargetStatus, breaker: BreakerStatus | null): TargetCondition {
  if (breaker?.state === "half_open") return { text: "testing the target (breaker half-open)", tone: "bad" };
  if (breaker?.state === "open") {
    // After the pause the breaker stays open until a call tries the target.
    if (breaker.retry_in_ms === 0) return { text: "down, the next call tries again", tone: "bad" };
    const retry = breaker.retry_in_ms === null ? "" : `, retry in ${Math.ceil(breaker.retry_in_ms / 1000)} s`;
    return { text: `failing fast (breaker open${retry})`, tone: "bad" };
  }
  // gRPC gives up an idle connection, and forgets that the last attempt failed.
  if (isDown(target, breaker)) return { text: "down", tone: "bad" };
  return { text: STATES[target.state], tone: target.state === "ready" ? "ok" : "quiet" };
}

/** Whether the last attempt to connect failed. */
export function isDown(target: TargetStatus, breaker: BreakerStatus | null): boolean {
  if (target.state === "ready" && (breaker?.state ?? "closed") === "closed") return false;
  return target.state === "down" || target.error !== "" || breaker?.state === "open";
}
