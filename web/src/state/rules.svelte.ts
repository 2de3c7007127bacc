/** The rules and faults that act on traffic: polled while Loom has any engine that they can act on. */

import { api, ApiError } from "../api/client";
import type { Rules } from "../api/types";

/** Shortest time between two polls. */
const POLL_MS = 2_000;

export class ActiveRules {
  state = $state.raw<Rules | null>(null);
  switching = $state(false);
  private available = true;
  private busy = false;
  private polledAt = 0;

  /** Another launch of Loom may answer: ask again. */
  reset(): void {
    this.available = true;
    this.polledAt = 0;
    void this.poll();
  }

  /** Fetch the state, at most every `POLL_MS`. */
  async poll(): Promise<void> {
    if (!this.available || this.busy || this.switching || Date.now() - this.polledAt < POLL_MS) return;
    this.busy = true;
    this.polledAt = Date.now();
    try {
      const state = await api.rules();
      if (!this.switching) this.state = state;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Keep the last state while Loom cannot be reached. 404: the engine forwards bytes, nothing can act.
      if (error.status === 404) {
        this.available = false;
        this.state = null;
      }
    } finally {
      this.busy = false;
    }
  }

  /** Switch all of them. Rejects with an `ApiError`. */
  async switchAll(enabled: boolean): Promise<void> {
    this.switching = true;
    try {
      this.state = await api.switchRules({ enabled });
    } finally {
      this.switching = false;
    }
  }
}
