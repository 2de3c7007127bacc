/**
 * Breakpoints and what they hold. What is held is followed by a stream of its own while anything could be: Loom holds
 * items only while somebody follows, also in a hidden tab, whose reader may be at the client.
 */

import { api, ApiError } from "../api/client";
import type { Breakpoint, BreakpointRequest, Breakpoints, Hold, HoldDecision, HoldDetail, Holds } from "../api/types";
import type { HoldCommand } from "../holding/decisions";
import type { HoldTexts } from "../holding/hold";
import type { ActiveRules } from "./rules.svelte";

const RETRY_MS = 1_000;
/** Edits kept, also of items that are held no more: the oldest make room. */
const MAX_EDITS = 50;

/** An edit that was not sent, with the item that it is of. */
export interface UnsentEdit {
  readonly detail: HoldDetail;
  readonly original: HoldTexts;
  readonly texts: HoldTexts;
}

/** The open item, for the keys. */
export interface HeldCommands {
  run(command: HoldCommand): void;
  /** Leave what is being written to insert or to answer with; false if nothing is. */
  back(): boolean;
}

export class Holding {
  breakpoints = $state.raw<Breakpoints | null>(null);
  holds = $state.raw<readonly Hold[]>([]);
  deciding = $state(false);
  /** The connection to the stream is lost: what is held is sent after a few seconds. */
  lost = $state(false);
  /** An address names a held item. */
  opened = $state(false);
  /** What is held is known. */
  loaded = $state(false);
  /** Null while no item is open. */
  commands: HeldCommands | null = null;
  /** Edits that were not sent, by the id of the item; not reactive. */
  private readonly edits = new Map<number, UnsentEdit>();
  private seq = 0;
  private source: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly rules: ActiveRules) {}

  /** Whether anything could be held. */
  get isNeeded(): boolean {
    return (
      this.holds.length > 0 ||
      (this.breakpoints?.breakpoints.length ?? 0) > 0 ||
      (this.opened && this.breakpoints !== null) ||
      (this.rules.state?.rules.some(({ description }) => /\bhold\b/.test(description)) ?? false)
    );
  }

  /** Items that can still be sent. */
  get open(): readonly Hold[] {
    return this.holds.filter(({ over }) => !over);
  }

  /** How many breakpoints are switched on. */
  get armed(): number {
    return this.breakpoints?.breakpoints.filter(({ enabled }) => enabled).length ?? 0;
  }

  start(): () => void {
    const stop = $effect.root(() => {
      $effect(() => {
        if (this.isNeeded) this.follow();
        else this.unfollow();
      });
    });
    return () => {
      stop();
      this.unfollow();
    };
  }

  /** A Loom has answered, maybe another launch: ask what there is. */
  reset(): void {
    void this.fetch();
  }

  private async fetch(): Promise<void> {
    try {
      this.breakpoints = await api.breakpoints();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) this.breakpoints = null; // nothing can act here
    }
  }

  onBreakpoints(breakpoints: Breakpoints): void {
    this.breakpoints = breakpoints;
  }

  private follow(): void {
    if (this.source !== null) return;
    clearTimeout(this.timer);
    const source = new EventSource("/api/holds/events");
    let isFirst = true;
    this.source = source;
    source.addEventListener("holds", (event) => {
      if (source !== this.source) return;
      if (isFirst) this.seq = 0; // maybe of another launch
      isFirst = false;
      this.lost = false;
      this.onHolds(JSON.parse((event as MessageEvent<string>).data) as Holds);
    });
    source.onerror = () => {
      if (source !== this.source) return;
      source.close();
      this.source = null;
      this.lost = true;
      this.timer = setTimeout(() => (this.isNeeded ? this.follow() : undefined), RETRY_MS);
    };
  }

  private unfollow(): void {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.lost = false;
    this.loaded = false;
  }

  private onHolds(holds: Holds): void {
    if (holds.seq < this.seq) return;
    this.seq = holds.seq;
    this.holds = holds.holds;
    this.loaded = true;
  }

  /** The unsent edit of an item. */
  editOf(id: number): UnsentEdit | undefined {
    return this.edits.get(id);
  }

  /** Keep the edit of an item; null discards it. */
  keepEdit(id: number, edit: UnsentEdit | null): void {
    this.edits.delete(id);
    if (edit === null) return;
    this.edits.set(id, edit);
    const oldest = this.edits.keys().next();
    if (this.edits.size > MAX_EDITS && oldest.done !== true) this.edits.delete(oldest.value);
  }

  find(id: number): Hold | undefined {
    return this.holds.find((hold) => hold.id === id);
  }

  /** Carry out a decision. Rejects with an `ApiError`, as all that follow do. */
  async decide(id: number, body: HoldDecision, json: string | null): Promise<void> {
    this.deciding = true;
    try {
      this.onHolds(await api.decideHold(id, body, json));
    } finally {
      this.deciding = false;
    }
  }

  async resumeAll(): Promise<void> {
    this.onHolds(await api.resumeHolds());
  }

  async set(body: BreakpointRequest): Promise<void> {
    await api.setBreakpoint(body);
    await this.fetch();
  }

  async remove(name?: string): Promise<void> {
    this.breakpoints = await api.removeBreakpoints(name);
  }

  async switch(enabled: boolean, name = ""): Promise<void> {
    this.breakpoints = await api.switchBreakpoints({ enabled, name });
  }

  /** The breakpoint that exactly this filter has, if any. */
  of(match: string): Breakpoint | undefined {
    return this.breakpoints?.breakpoints.find((breakpoint) => breakpoint.match === match);
  }
}
