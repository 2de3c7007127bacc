/** Unsent edits of a call's replay: what differs from the recorded call, as typed. Pure. */

import type { ReplayRequest, ReplaySource, ReplayTiming, Summary } from "../api/types";
import { parseDeadline, parseMessages, parseMetadata } from "../detail/replay-form";

/** The edited fields; one that is as recorded is absent. */
export interface ReplayEdits {
  readonly target?: string;
  /** Milliseconds; empty for none. */
  readonly deadline?: string;
  readonly timing?: ReplayTiming;
  readonly source?: ReplaySource;
  /** Whether rules, faults and breakpoints may act on it. */
  readonly through?: boolean;
  readonly metadata?: string;
  /** The JSON of the message, or of an array of messages. */
  readonly text?: string;
  /** Whether `text` is one message, not an array. */
  readonly single?: boolean;
}

/** What identifies a call across launches of Loom, each of which numbers its calls from 1. */
export type CallIdentity = Pick<Summary, "id" | "started_us">;

export const isEdited = ({ target, deadline, timing, source, through, metadata, text }: ReplayEdits): boolean =>
  [target, deadline, timing, source, through, metadata, text].some((field) => field !== undefined);

/** The request, and the JSON text of its messages or null if they are sent as recorded. Throws `ApiError`. */
export function replayRequest(edits: ReplayEdits): { body: ReplayRequest; messages: string | null } {
  const body: ReplayRequest = {};
  if (edits.target !== undefined) body.target = edits.target.trim();
  const milliseconds = edits.deadline === undefined ? undefined : parseDeadline(edits.deadline, "");
  if (milliseconds !== undefined) body.deadline_ms = milliseconds;
  else if (edits.deadline !== undefined) body.deadline_ms = 0;
  if (edits.timing !== undefined) body.timing = edits.timing;
  if (edits.source !== undefined) body.source = edits.source;
  if (edits.through !== undefined) body.through_rules = edits.through;
  if (edits.metadata !== undefined) body.metadata = parseMetadata(edits.metadata);
  return { body, messages: edits.text === undefined ? null : parseMessages(edits.text, edits.single ?? false) };
}
