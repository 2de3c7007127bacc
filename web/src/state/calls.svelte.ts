/**
 * The calls as the page shows them: what the feed brings goes into the book, and from there,
 * filtered, sorted and unless paused, into the view.
 *
 * The calls themselves stay outside reactivity; `revision` changes when the rows do.
 */

import { api } from "../api/client";
import type { CallsPage, Hello, Stats, Summary } from "../api/types";
import { Book, type Changes, NO_CHANGES } from "../feed/book";
import { type Connection, Feed, type Listener } from "../feed/feed";
import { Finder } from "./finder.svelte";
import { compareBy, DEFAULT_ORDER, type Order } from "./order";
import { View } from "./view";

export const STRIP_SECONDS = 120;

/** One second of traffic, as the strip draws it. */
export interface Second {
  readonly at_us: number;
  readonly rate: number;
  readonly errors: number;
  readonly p50_us: number | null;
  readonly p95_us: number | null;
  readonly in_flight: number;
}

export class Calls implements Listener {
  revision = $state(0);
  connectionNow = $state.raw<Connection>({ state: "connecting" });
  helloNow = $state.raw<Hello | null>(null);
  statsNow = $state.raw<Stats | null>(null);
  /** The last two minutes of statistics, one a second. */
  recent = $state.raw<readonly Second[]>([]);
  loaded = $state(false);
  /** How many calls the page holds, shown or not, paused or not. */
  held = $state(0);
  /** Updates that the server skipped for this page, and whether they were fetched since. */
  skipped = $state.raw<{ readonly missed: number; readonly fetched: boolean } | null>(null);
  paused = $state(false);
  /** Matching calls that came since the pause. */
  fresh = $state(0);
  order = $state.raw<Order>(DEFAULT_ORDER);
  readonly book = new Book();
  readonly view = new View();
  readonly finder = new Finder(
    () => this.rebuild(),
    () => this.olderThan(),
  );
  readonly feed = new Feed(this);
  /** Told of every summary that changed, paused or not: the open call follows by it. */
  onChanged: ((calls: readonly Summary[]) => void) | null = null;
  /** Told when the feed is there again; `renewed` if of another launch, whose numbers mean other calls. */
  onBack: ((renewed: boolean) => void) | null = null;
  /** What the book holds is of an earlier launch: it goes with the first that comes of this one. */
  private outlived = false;
  private hiddenUpTo = 0;
  private inHistory: Set<number> | null = null;
  private frozenUpTo = 0;
  private frozenAt: number | null = null;

  get rows(): readonly Summary[] {
    void this.revision;
    return this.view.rows;
  }

  /** The server's clock as of the last statistics, in µs; it stands still while the view does. */
  get clock(): number | null {
    return this.paused ? this.frozenAt : (this.statsNow?.now_us ?? null);
  }

  /** The file that is only looked at, where one is: nothing can be changed or sent. */
  get readOnly(): string {
    return this.helloNow?.read_only ?? "";
  }

  get(id: number): Summary | undefined {
    return this.book.get(id);
  }

  connection(connection: Connection): void {
    this.connectionNow = connection;
  }

  hello(hello: Hello): void {
    const before = this.helloNow;
    this.helloNow = hello;
    const renewed = before !== null && before.boot !== hello.boot;
    if (renewed) {
      this.hiddenUpTo = 0;
      this.outlived = true;
    }
    if (before !== null) this.onBack?.(renewed);
    this.stats(hello.stats);
    void this.fillStrip();
  }

  /** What passed before the page was open, or while it was away. */
  private async fillStrip(): Promise<void> {
    try {
      const { series } = await api.stats();
      if (series === undefined) return;
      this.recent = series.slice(-STRIP_SECONDS).map(([at_us, rate, errors, p50_us, p95_us, in_flight]) => ({
        at_us,
        rate,
        errors,
        p50_us,
        p95_us,
        in_flight,
      }));
    } catch {
      // The strip then begins with what the feed brings.
    }
  }

  stats(stats: Stats): void {
    this.statsNow = stats;
    this.recent = [...this.recent.slice(1 - STRIP_SECONDS), secondOf(stats)];
    this.evict(stats.oldest_id);
  }

  private evict(oldest: number | undefined): void {
    if (oldest !== undefined && this.inHistory === null) this.took(this.book.evict(oldest));
  }

  /** Versions of two launches cannot be compared: nothing of the earlier one may stay. */
  private leaveEarlier(): void {
    if (!this.outlived) return;
    this.outlived = false;
    this.frozenUpTo = 0;
    this.took(this.book.keep(() => false));
  }

  calls(batch: readonly Summary[]): void {
    this.leaveEarlier();
    if (this.inHistory !== null) for (const call of batch) this.inHistory.add(call.id);
    this.took(this.book.apply(batch));
    this.onChanged?.(batch);
  }

  gap(missed: number): void {
    this.skipped = { missed, fetched: false };
  }

  cleared(): void {
    this.inHistory = null;
    this.hiddenUpTo = 0;
    this.took(this.book.keep((call) => call.state === "live"));
    this.rebuild();
  }

  history(page: CallsPage, { complete }: { complete: boolean }): void {
    this.leaveEarlier();
    this.inHistory ??= new Set();
    for (const call of page.calls) this.inHistory.add(call.id);
    this.took(this.book.apply(page.calls));
    this.loaded = true;
    if (!complete) return;
    const still = this.inHistory;
    this.inHistory = null;
    this.took(this.book.keep((call) => still.has(call.id)));
    this.evict(this.statsNow?.oldest_id); // what went while the pages were on their way
    if (this.skipped !== null) this.skipped = { ...this.skipped, fetched: true };
  }

  private took(changes: Changes): void {
    if (changes === NO_CHANGES) return;
    this.held = this.book.size;
    const news = changes.updated.map(({ after }) => after).concat(changes.added);
    this.finder.noticed(news);
    if (this.paused) {
      let fresh = 0;
      for (const call of changes.added) if (call.id > this.frozenUpTo && this.shows(call)) fresh += 1;
      this.fresh += fresh;
    } else if (this.view.apply(changes)) {
      this.revision += 1;
    }
  }

  private readonly shows = (call: Summary): boolean => call.id > this.hiddenUpTo && this.finder.matches(call);

  /** The oldest call in memory, where a session on disk holds more before it. */
  private olderThan(): number | null {
    const session = this.statsNow?.sinks?.session;
    const oldest = this.statsNow?.oldest_id ?? 1;
    return session && session.error === "" && oldest > 1 ? oldest : null;
  }

  private rebuild(): void {
    const older = this.finder.older.filter((call) => this.book.get(call.id) === undefined);
    this.view.rebuild([...older, ...this.book.all()], this.shows, compareBy(this.order));
    this.fresh = 0;
    this.frozenUpTo = this.lastId;
    this.revision += 1;
  }

  private get lastId(): number {
    return this.book.all().at(-1)?.id ?? 0;
  }

  sort(order: Order): void {
    this.order = order;
    this.rebuild();
  }

  pause(paused: boolean): void {
    this.frozenAt = this.clock;
    this.paused = paused;
    this.rebuild();
  }

  /** Clears the view and leaves the history: what is held now is hidden from this tab. */
  clearView(): void {
    this.hiddenUpTo = this.lastId;
    this.rebuild();
  }

  /** Whether the view was cleared, and calls before that are hidden. */
  get hides(): boolean {
    void this.revision;
    return this.hiddenUpTo > 0;
  }

  unhide(): void {
    this.hiddenUpTo = 0;
    this.rebuild();
  }
}

const secondOf = (stats: Stats): Second => ({
  at_us: stats.now_us,
  rate: stats.rate,
  errors: stats.error_rate,
  p50_us: stats.p50_us,
  p95_us: stats.p95_us,
  in_flight: stats.in_flight,
});
