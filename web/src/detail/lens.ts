/**
 * The deadline and cancellation lens: what each side did when, on one scale with the budget, and
 * what was left of the budget at that moment. Pure.
 */

import type { CallDetail, EndedBy, Summary, Timing } from "../api/types";

export type Side = "client" | "backend" | "loom";

export interface Moment {
  readonly name: string;
  readonly side: Side;
  readonly at: number;
  /** µs since the start. */
  readonly offset: number;
  /** µs of the budget left then; negative when the deadline had passed; null without a deadline. */
  readonly left: number | null;
}

export interface Lens {
  readonly moments: readonly Moment[];
  /** µs from the start to the right edge of the scale. */
  readonly span: number;
  /** µs of the whole budget, or null without a deadline. */
  readonly budget: number | null;
  readonly spent: number;
  readonly verdict: string;
}

const ENDED_SIDE: Record<EndedBy, Side> = { backend: "backend", client: "client", deadline: "client", loom: "loom" };

export function lensOf(call: Summary, timing: Timing, now: number): Lens {
  const start = timing.started_us;
  const deadline = timing.deadline_us;
  const end = timing.ended_us ?? now;
  const at = (name: string, side: Side, moment: number | null): Moment[] =>
    moment === null
      ? []
      : [{ name, side, at: moment, offset: moment - start, left: deadline === null ? null : deadline - moment }];
  const many = (count: number, first: string, only: string) => (count > 1 ? first : only);
  const [up, down] = call.messages;
  const moments = [
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
  const budget = deadline === null ? null : Math.max(0, deadline - start);
  // A budget of an hour would squash a call of a millisecond: the scale then stops short of it.
  const used = Math.max(1, end - start);
  const span = budget === null || budget > used * 8 ? used * 1.04 : Math.max(used, budget) * 1.04;
  return { moments, span, budget, spent: end - start, verdict: verdict(call, timing) };
}

function endName(call: Summary): string {
  if (call.ended_by === "client") return "cancelled";
  if (call.ended_by === "deadline") return "deadline passed";
  return "status and trailers";
}

function verdict(call: Summary, timing: Timing): string {
  if (call.state === "live") return "Still running.";
  switch (call.ended_by) {
    case "client":
      return timing.first_response_us === null && timing.initial_us === null
        ? "The client cancelled before the backend had answered anything."
        : "The client cancelled while the backend was still answering.";
    case "deadline":
      return timing.first_response_us === null && timing.initial_us === null
        ? "The deadline passed while the backend had not answered yet."
        : "The deadline passed in the middle of the backend's answer.";
    case "loom":
      return "Loom ended the call: the backend was not reached.";
    case "backend":
      return call.status?.code === 4
        ? "The backend itself answered DEADLINE_EXCEEDED."
        : call.status?.code === 1
          ? "The backend itself answered CANCELLED."
          : "The backend ended the call with its status.";
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

/** What the call spent its time on, one after the other where they are. */
export function phasesOf({ timing }: Pick<CallDetail, "timing">, now: number): Phase[] {
  const end = timing.ended_us ?? now;
  const sent = timing.last_request_us ?? timing.first_request_us;
  const answered = timing.first_response_us ?? timing.initial_us;
  const phases: Phase[] = [];
  const add = (name: string, side: Side, from: number | null, to: number | null) => {
    if (from !== null && to !== null && to > from) {
      phases.push({ name, side, from: from - timing.started_us, to: to - timing.started_us });
    }
  };
  add("until the first request", "client", timing.started_us, timing.first_request_us);
  add("requests", "client", timing.first_request_us, sent);
  add("waiting for the backend", "backend", timing.first_request_us ?? timing.started_us, answered ?? end);
  add("responses", "backend", timing.first_response_us, timing.last_response_us);
  add("until the trailers", "backend", timing.last_response_us ?? timing.initial_us, timing.ended_us);
  return phases;
}
