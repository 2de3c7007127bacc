import { expect, test } from "vitest";
import { connectErrorReason } from "./connect-error";

test.each([
  [
    "Loom could not reach the target localhost:1: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused",
    "connection refused",
  ],
  ["Loom could not reach the target [::1]:1: ipv6:%5B::1%5D:1: Failed to connect to remote host: Timeout", "timeout"],
  ["DNS resolution failed for nosuch:1", "DNS resolution failed for nosuch:1"],
  ["", ""],
] as const)("%s", (error, reason) => expect(connectErrorReason(error)).toBe(reason));
