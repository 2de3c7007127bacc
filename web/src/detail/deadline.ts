/** Analysis of a call's timing: events of both sides, and the time remaining until the deadline. Pure. */

import type { CallDetail, EndedBy, Summary, Timing } from "../api/types";
import { wasOpen } from "../format/status";

export type Side = "client" | "backend" | "loom";

export interface TimingEvent {
  readonly name: string;
  readonly side: Side;
  readonly at: number;
  /** µs since the start. */
  readonly offset: number;
  /** µs until the deadline at that time, negative after it; null without a deadline. */
  readonly remaining: number | null;
}

export interface DeadlineAnalysis {
  readonly events: readonly TimingEvent[];
  /** µs from the start to the right edge of the scale. */
  readonly span: number;
  /** µs from the start to the deadline, or null without a deadline. */
  readonly timeout: number | null;
  readonly elapsed: number;
  readonly summary: string;
}

const ENDED_SIDE: Record<EndedBy, Side> = { backend: "backend", client: "client", deadline: "client", loom: "loom" };

export function analyzeDeadline(call: Summary, timing: Timing, now: number): DeadlineAnalysis {
  const start = timing.started_us;
  const deadline = timing.deadline_us;
  const end = timing.ended_us ?? now;
  const at = (name: string, side: Side, moment: number | null): TimingEvent[] =>
    moment === null
      ? []
      : [{ name, side, at: moment, offset: moment - start, remaining: deadline === null ? null : deadline - moment }];
  const many = (count: number, first: string, only: string) => (count > 1 ? first : only);
  const [up, down] = call.messages;
  const events = [
    ...at("call started", "client", start),
    ...at(many(up, "first request", "request"), "client", timing.first_request_us),
    ...at("last request", "client", up > 1 ? timing.last_request_us : null),
    ...at("half-close", "client", timing.half_closed_us),
    ...at("response headers", "backend", timing.initial_us),
    ...at(many(down, "first response", "response"), "backend", timing.first_response_us),
    ...at("last response", "backend", down > 1 ? timing.last_response_us : null),
    ...at("deadline", "client", deadline),
    ...at(endName(call), ENDED_SIDE[call.ended_by ?? "backend"], timing.ended_us),
  ].sort((a, b) => a.at - b.at);
  const timeout = deadline === null ? null : Math.max(0, deadline - start);
  // Leave out a deadline that is far beyond the end: the call itself would not be visible on the scale.
  const duration = Math.max(1, end - start);
  const span = timeout === null || timeout > duration * 8 ? duration * 1.04 : Math.max(duration, timeout) * 1.04;
  return { events, span, timeout, elapsed: end - start, summary: summarize(call, timing) };
}

function endName(call: Summary): string {
  if (call.ended_by === "client") return "cancelled";
  if (call.ended_by === "deadline") return "deadline expired";
  if (wasOpen(call)) return "end of the recording";
  if (neverSent(call)) return "status from Loom";
  return "status and trailers";
}

function summarize(call: Summary, timing: Timing): string {
  if (call.state === "live") return "In flight.";
  switch (call.ended_by) {
    case "client":
      return timing.first_response_us === null && timing.initial_us === null
        ? "The client cancelled before the backend responded."
        : "The client cancelled while the backend was responding.";
    case "deadline":
      return timing.first_response_us === null && timing.initial_us === null
        ? "The deadline expired before the backend responded."
        : "The deadline expired while the backend was responding.";
    case "loom":
      if (wasOpen(call)) return "Still open when the recording ended.";
      if (neverSent(call)) return "The call never left Loom: no connection to the target.";
      return "Loom ended the call (see Status).";
    case "backend":
      return call.status?.code === 4
        ? "The backend returned DEADLINE_EXCEEDED."
        : call.status?.code === 1
          ? "The backend returned CANCELLED."
          : "The backend ended the call.";
    default:
      return "";
  }
}

export interface Phase {
  readonly name: string;
  readonly side: Side;
  readonly from: number;
  readonly to: number;
}

const NEVER_SENT = /^Loom(?: could not reach the target|'s circuit breaker is open)/;

/** Whether Loom had no connection to the target for the call, so that nothing of it was sent. */
export const neverSent = ({ ended_by, status }: Pick<Summary, "ended_by" | "status">): boolean =>
  ended_by === "loom" && status?.code === 14 && NEVER_SENT.test(status.message);

/** When breakpoints held items of the call, in µs since its start. */
export const heldSpans = ({ started_us, held }: Timing): { readonly from: number; readonly to: number }[] =>
  held.map(([from, to]) => ({ from: from - started_us, to: to - started_us }));

/** The consecutive phases of the call. */
export function callPhases(
  { timing, ...call }: Pick<CallDetail, "timing" | "ended_by" | "status">,
  now: number,
): Phase[] {
  const end = timing.ended_us ?? now;
  const sent = timing.last_request_us ?? timing.first_request_us;
  const answered = timing.first_response_us ?? timing.initial_us;
  const phases: Phase[] = [];
  const add = (name: string, side: Side, from: number | null, to: number | null) => {
    if (from !== null && to !== null && to > from) {
      phases.push({ name, side, from: from - timing.started_us, to: to - timing.started_us });
    }
  };
  add("sending the request", "client", timing.started_us, timing.first_request_us);
  add("sending further requests", "client", timing.first_request_us, sent);
  if (neverSent(call)) {
    add("not sent: no connection to the target", "loom", timing.first_request_us ?? timing.started_us, end);
    return phases;
  }
  add("waiting for the first response", "backend", timing.first_request_us ?? timing.started_us, answered ?? end);
  add("receiving responses", "backend", timing.first_response_us, timing.last_response_us);
  add("finishing", "backend", timing.last_response_us ?? timing.initial_us, timing.ended_us);
  return phases;
}
