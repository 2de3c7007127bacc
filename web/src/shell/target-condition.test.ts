import { expect, test } from "vitest";
import type { BreakerStatus, TargetStatus } from "../api/types";
import { isDown, targetCondition } from "./target-condition";

const target = (state: TargetStatus["state"], error = ""): TargetStatus => ({
  address: "a:1",
  tls: false,
  insecure: false,
  state,
  error,
});
const open = (retry_in_ms: number | null): BreakerStatus => ({ state: "open", failures: 5, retry_in_ms });

test.each([
  [target("idle"), null, "not connected yet", false],
  [target("idle", "connection refused"), null, "down", true],
  [target("connecting", "connection refused"), null, "down", true],
  [target("down", "connection refused"), null, "down", true],
  [target("connecting"), null, "connecting…", false],
  [target("ready"), null, "ready", false],
  [target("ready", "an old one"), null, "ready", false],
  [target("ready"), open(900), "failing fast (breaker open, retry in 1 s)", true],
  [target("down"), open(0), "down, the next call tries again", true],
] as const)("%j with the breaker %j", (state, breaker, text, down) => {
  expect(targetCondition(state, breaker).text).toBe(text);
  expect(isDown(state, breaker)).toBe(down);
});
