/** A call summary for tests: an ended unary call, with `changes` applied. */

import type { Summary } from "../api/types";

export const sampleCall = (id: number, changes: Partial<Summary> = {}): Summary => ({
  id,
  version: 1,
  method: "/acme.shop.v1.Shop/GetOrder",
  kind: "unary",
  kind_known: true,
  state: "ended",
  started_us: 1_763_923_200_000_000 + id,
  duration_us: 1_000,
  status: { code: 0, name: "OK", message: "" },
  ended_by: "backend",
  messages: [1, 1],
  bytes: [24, 310],
  peer: "ipv4:127.0.0.1:50412",
  authority: "localhost:9999",
  target: "localhost:50051",
  engine: "relay",
  flags: [],
  rules: [],
  faults: [],
  replay_of: null,
  deadline_us: null,
  ...changes,
});
