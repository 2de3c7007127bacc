/** Sending calls again: as recorded, or with the edits of their draft. Keeps the answer of the last one sent. */

import { api, ApiError } from "../api/client";
import type { Summary } from "../api/types";
import type { Drafts } from "./drafts.svelte";
import { OpenCall } from "./open-call.svelte";
import { type CallIdentity, replayRequest } from "./replay-draft";

export interface Answer {
  /** The call that was sent again. */
  readonly original: number;
  readonly edited: boolean;
  /** The replay. */
  readonly call: OpenCall;
}

export class Replays {
  sending = $state(false);
  /** Why the last attempt failed. */
  problem = $state.raw<{ readonly call: number; readonly error: ApiError } | null>(null);
  answer = $state.raw<Answer | null>(null);

  constructor(private readonly drafts: Drafts) {}

  /** Send a call, with its edits unless `asRecorded`. Returns the id of the replay, or null on failure. */
  async send(call: CallIdentity, { asRecorded = false } = {}): Promise<number | null> {
    const edits = asRecorded ? null : this.drafts.get(call);
    this.sending = true;
    this.problem = null;
    try {
      const { body, messages } = replayRequest(edits ?? {});
      const { id } =
        messages === null ? await api.replay(call.id, body) : await api.replayText(call.id, body, messages);
      this.answer?.call.close();
      this.answer = { original: call.id, edited: edits !== null, call: new OpenCall(id, undefined) };
      return id;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = { call: call.id, error };
      return null;
    } finally {
      this.sending = false;
    }
  }

  changed(batch: readonly Summary[]): void {
    const answer = this.answer?.call;
    const summary = answer && batch.find(({ id }) => id === answer.id);
    if (summary !== undefined) answer?.changed(summary);
  }

  /** Forget the answer: after a restart its id may mean another call. */
  reset(): void {
    this.answer?.call.close();
    this.answer = null;
    this.problem = null;
  }
}
