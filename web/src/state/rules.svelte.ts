/** The rules and faults that act on traffic: polled while Loom has any engine that they can act on. */

import { api, ApiError } from "../api/client";
import type { RuleKind } from "../acting/rule-template";
import type { Rules, RuleState } from "../api/types";

/** Shortest time between two polls. */
const POLL_MS = 2_000;

export class ActiveRules {
  state = $state.raw<Rules | null>(null);
  switching = $state(false);
  /** False once Loom has said that nothing can act here: not while it has not answered yet. */
  private available = $state(true);
  private busy = false;
  private polledAt = 0;

  /** Whether anything can act on traffic here, as far as it is known. */
  get canAct(): boolean {
    return this.available;
  }

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

  /** Names of all rules. */
  get names(): readonly string[] {
    return this.state?.rules.map(({ name }) => name) ?? [];
  }

  find(name: string): RuleState | undefined {
    return this.state?.rules.find((rule) => rule.name === name);
  }

  /** Switch all of them. Rejects with an `ApiError`, as all that follow do. */
  switchAll(enabled: boolean): Promise<void> {
    return this.change(() => api.switchRules({ enabled }));
  }

  switchOne(name: string, enabled: boolean): Promise<void> {
    return this.change(() => api.switchRules({ name, enabled }));
  }

  add(kind: RuleKind, table: string): Promise<void> {
    return this.change(() => api.addRule(kind, table));
  }

  replace(name: string, kind: RuleKind, table: string): Promise<void> {
    return this.change(() => api.replaceRule(name, kind, table));
  }

  remove(name?: string): Promise<void> {
    return this.change(() => api.removeRules(name));
  }

  /** Apply a change; a poll meanwhile has the state from before and is ignored. */
  private async change(request: () => Promise<Rules>): Promise<void> {
    this.switching = true;
    try {
      this.state = await request();
    } finally {
      this.switching = false;
    }
  }
}
