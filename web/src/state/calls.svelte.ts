/**
 * The calls of the page: the feed fills the store; the view is the store filtered and sorted, unless paused.
 *
 * Calls themselves are not reactive; `revision` changes whenever the rows do.
 */

import type { Breakpoints, CallsPage, Hello, Stats, Summary } from "../api/types";
import { CallStore, type Changes, NO_CHANGES, positionOf } from "../feed/call-store";
import { type Connection, Feed, type FeedListener } from "../feed/feed";
import { Clock } from "./clock.svelte";
import { CallFilter } from "./call-filter.svelte";
import { compareBy, DEFAULT_ORDER, type SortOrder } from "./sort-order";
import { CallView } from "./call-view";
import { Holding } from "./holding.svelte";
import { ActiveRules } from "./rules.svelte";
import { ServerStatus } from "./server-status.svelte";

/** More calls at once than this are not marked as new. */
const MAX_FRESH = 10;
const FRESH_MS = 400;

export class Calls implements FeedListener {
  revision = $state(0);
  readonly server = new ServerStatus();
  readonly rules = new ActiveRules();
  readonly holding = new Holding(this.rules);
  loaded = $state(false);
  /** Number of calls in the store, whether shown or not. */
  heldCount = $state(0);
  paused = $state(false);
  /** Number of matching calls since the pause. */
  newCount = $state(0);
  order = $state.raw<SortOrder>(DEFAULT_ORDER);
  readonly store = new CallStore();
  readonly view = new CallView();
  readonly filter = new CallFilter(
    () => this.rebuild(),
    () => this.server.oldestInMemory,
  );
  readonly feed = new Feed(this);
  /** Called with every new or changed summary, even while paused. */
  onCallsChanged: ((calls: readonly Summary[]) => void) | null = null;
  /** Called after a reconnect; `restarted` if Loom was restarted, so that ids mean other calls. */
  onReconnect: ((restarted: boolean) => void) | null = null;
  /** The store holds calls of a previous run of Loom, to be discarded when the first calls of this one arrive. */
  private storeIsStale = false;
  private clearedUpToId = 0;
  /** Ids of calls that exist, while the history is fetched: those of its pages, and those that arrive meanwhile. */
  private historyIds: Set<number> | null = null;
  private pausedAtId = 0;
  private pausedClock: number | null = null;
  /** Loom's time, also while paused. */
  readonly time = new Clock();
  /** Ids of calls that have just arrived, unless many did. */
  fresh = $state.raw<ReadonlySet<number>>(new Set());
  private freshTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether calls of more than one client are held. */
  severalPeers = $state(false);
  private firstPeer = "";

  get rows(): readonly Summary[] {
    void this.revision;
    return this.view.rows;
  }

  /** Loom's time in µs, which ticks; constant while paused. */
  get clock(): number | null {
    return this.paused ? this.pausedClock : this.time.now;
  }

  /** Start the feed and the clock. */
  start(): () => void {
    const stopClock = this.time.start();
    const stopFeed = this.feed.start();
    const stopHolding = this.holding.start();
    return () => {
      stopHolding();
      stopClock();
      stopFeed();
    };
  }

  get(id: number): Summary | undefined {
    return this.store.get(id);
  }

  onConnection(connection: Connection): void {
    this.server.connection = connection;
  }

  onHello(hello: Hello): void {
    const before = this.server.hello;
    this.server.hello = hello;
    const restarted = before !== null && before.boot !== hello.boot;
    if (restarted) {
      this.clearedUpToId = 0;
      this.storeIsStale = true;
    }
    if (before !== null) this.onReconnect?.(restarted);
    this.onStats(hello.stats);
    void this.server.loadRecentSeconds();
    this.rules.reset();
    this.holding.reset();
  }

  onStats(stats: Stats): void {
    this.server.addStats(stats);
    this.time.sync(stats.now_us);
    void this.rules.poll();
    this.evict(stats.oldest_id);
  }

  private evict(oldest: number | undefined): void {
    if (oldest !== undefined && this.historyIds === null) this.applyChanges(this.store.evict(oldest));
  }

  /** Discard the calls of a previous run: versions of two runs cannot be compared. */
  private discardPreviousRun(): void {
    if (!this.storeIsStale) return;
    this.storeIsStale = false;
    this.pausedAtId = 0;
    this.applyChanges(this.store.keep(() => false));
  }

  onCalls(batch: readonly Summary[]): void {
    this.discardPreviousRun();
    if (this.historyIds !== null) for (const call of batch) this.historyIds.add(call.id);
    const changes = this.store.apply(batch);
    this.markFresh(changes.added);
    this.applyChanges(changes);
    this.onCallsChanged?.(batch);
  }

  onGap(missed: number): void {
    this.server.skippedUpdates = { missed, fetched: false };
  }

  onBreakpoints(breakpoints: Breakpoints): void {
    this.holding.onBreakpoints(breakpoints);
  }

  onCleared(): void {
    this.historyIds = null;
    this.clearedUpToId = 0;
    this.applyChanges(this.store.keep((call) => call.state === "live"));
    this.rebuild();
  }

  onHistoryFetch(): void {
    this.historyIds = new Set();
  }

  onHistory(page: CallsPage, { complete }: { complete: boolean }): void {
    this.discardPreviousRun();
    const present = this.historyIds ?? new Set();
    for (const call of page.calls) present.add(call.id);
    this.applyChanges(this.store.apply(page.calls));
    this.loaded = true;
    if (!complete) return;
    this.historyIds = null;
    this.applyChanges(this.store.keep((call) => present.has(call.id)));
    this.evict(this.server.stats?.oldest_id); // calls evicted while the pages were fetched
    this.server.historyFetched();
  }

  private markFresh(added: readonly Summary[]): void {
    if (!this.loaded || this.paused || added.length === 0) return;
    clearTimeout(this.freshTimer);
    this.fresh = new Set(added.length > MAX_FRESH ? [] : added.map(({ id }) => id));
    if (this.fresh.size > 0) this.freshTimer = setTimeout(() => (this.fresh = new Set()), FRESH_MS);
  }

  private notePeers(added: readonly Summary[]): void {
    if (this.severalPeers) return;
    for (const { peer, engine } of added) {
      if (engine === "replay") continue; // Loom itself
      if (this.firstPeer === "") this.firstPeer = peer;
      else if (peer !== this.firstPeer) this.severalPeers = true;
    }
  }

  private applyChanges(changes: Changes): void {
    if (changes === NO_CHANGES) return;
    this.heldCount = this.store.size;
    this.notePeers(changes.added);
    const changed = changes.updated.map(({ after }) => after).concat(changes.added);
    this.filter.recheck(changed);
    if (this.paused) {
      let newCount = 0;
      for (const call of changes.added) if (call.id > this.pausedAtId && this.isShown(call)) newCount += 1;
      this.newCount += newCount;
    } else if (this.view.apply(changes)) {
      this.revision += 1;
    }
  }

  private readonly isShown = (call: Summary): boolean => call.id > this.clearedUpToId && this.filter.matches(call);

  private rebuild(): void {
    const older = this.filter.olderCalls.filter((call) => this.store.get(call.id) === undefined);
    this.view.rebuild([...older, ...this.store.all()], this.isShown, compareBy(this.order));
    this.newCount = 0;
    this.pausedAtId = this.lastId;
    this.revision += 1;
  }

  private get lastId(): number {
    return this.store.all().at(-1)?.id ?? 0;
  }

  sort(order: SortOrder): void {
    this.order = order;
    this.rebuild();
  }

  pause(paused: boolean): void {
    this.pausedClock = this.clock;
    this.paused = paused;
    this.rebuild();
  }

  /** Hide all current calls in this tab; the history is unchanged. */
  clearView(): void {
    this.clearedUpToId = this.lastId;
    this.rebuild();
  }

  /** Number of calls that are hidden because the view was cleared. */
  get clearedCount(): number {
    void this.revision;
    return this.clearedUpToId === 0 ? 0 : positionOf(this.store.all(), this.clearedUpToId + 1);
  }

  /** Whether calls are hidden because the view was cleared. */
  get isViewCleared(): boolean {
    return this.clearedCount > 0;
  }

  restoreView(): void {
    this.clearedUpToId = 0;
    this.rebuild();
  }
}
