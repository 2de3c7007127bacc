/**
 * The live feed: one EventSource, resumed by its last event id, closed while the tab is hidden.
 *
 * Calls are buffered and flushed once per animation frame. A lost connection is retried with back-off.
 * After a gap, or when Loom was restarted, the history is fetched again.
 */

import { api } from "../api/client";
import type { Breakpoints, CallsPage, Gap, Hello, Stats, Summary } from "../api/types";

export type Connection =
  | { readonly state: "connecting" }
  | { readonly state: "open" }
  | { readonly state: "hidden" }
  | { readonly state: "lost"; readonly retryAt: number; readonly attempt: number };

export interface FeedListener {
  onConnection(connection: Connection): void;
  onHello(hello: Hello): void;
  onCalls(batch: readonly Summary[]): void;
  onStats(stats: Stats): void;
  /** The server skipped `missed` updates (0 if unknown). The history is fetched again. */
  onGap(missed: number): void;
  onCleared(): void;
  onBreakpoints(breakpoints: Breakpoints): void;
  /** A fetch of the history begins. Its pages may be older than calls that arrive from now on. */
  onHistoryFetch(): void;
  /** A page of the history. When `complete`, calls that were in no page and have not arrived since no longer exist. */
  onHistory(page: CallsPage, progress: { readonly complete: boolean }): void;
}

const FIRST_PAGE = 60; // about one screen of rows
const PAGE = 2_000; // small enough to parse and merge without a long task
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000] as const;

export class Feed {
  private source: EventSource | null = null;
  private lastId = "";
  private boot = "";
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private batch: Summary[] = [];
  private frame = 0;
  private syncId = 0;
  private synced = false;
  /** This is the first connection to this run of Loom, so no update was missed. */
  private isNewRun = true;

  constructor(private readonly listener: FeedListener) {}

  start(): () => void {
    const onVisibilityChange = () => (document.hidden ? this.suspend() : this.open());
    const onOnline = () => this.retryNow();
    document.addEventListener("visibilitychange", onVisibilityChange);
    window.addEventListener("online", onOnline);
    onVisibilityChange();
    return () => {
      document.removeEventListener("visibilitychange", onVisibilityChange);
      window.removeEventListener("online", onOnline);
      this.close();
    };
  }

  retryNow(): void {
    if (this.source === null && !document.hidden) this.open();
  }

  private close(): void {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  /** Close the feed while the tab is hidden. An unfinished history fetch restarts when it is shown. */
  private suspend(): void {
    this.close();
    this.syncId += 1;
    this.listener.onConnection({ state: "hidden" });
  }

  private open(): void {
    this.close();
    this.listener.onConnection({ state: "connecting" });
    const resume = this.lastId === "" ? "" : `?last=${encodeURIComponent(this.lastId)}`;
    const source = new EventSource(`/api/events${resume}`);
    this.source = source;
    const on = (name: string, handle: (event: MessageEvent<string>) => void) =>
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        if (event.lastEventId !== "") this.lastId = event.lastEventId;
        handle(event);
      });
    on("hello", (event) => this.receiveHello(JSON.parse(event.data) as Hello));
    on("calls", (event) => this.enqueue(JSON.parse(event.data) as Summary[]));
    on("stats", (event) => this.listener.onStats(JSON.parse(event.data) as Stats));
    on("gap", (event) => this.receiveGap((JSON.parse(event.data) as Gap).missed));
    on("breakpoints", (event) => this.listener.onBreakpoints(JSON.parse(event.data) as Breakpoints));
    on("cleared", () => {
      this.flush();
      this.syncId += 1;
      this.synced = true;
      this.listener.onCleared();
    });
    source.onerror = () => {
      if (source === this.source) this.scheduleReconnect();
    };
  }

  private scheduleReconnect(): void {
    this.close();
    const delay = RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)] as number;
    this.attempt += 1;
    this.listener.onConnection({ state: "lost", retryAt: Date.now() + delay, attempt: this.attempt });
    this.timer = setTimeout(() => this.open(), delay);
  }

  private receiveHello(hello: Hello): void {
    this.flush(); // calls of the previous connection, which may be those of another run
    this.attempt = 0;
    this.listener.onConnection({ state: "open" });
    this.listener.onHello(hello);
    this.isNewRun = hello.boot !== this.boot;
    this.boot = hello.boot;
    if (this.isNewRun || !this.synced || !hello.resumed) void this.fetchHistory();
  }

  /** `missed` is null if the resume id was too old; `receiveHello` is then already fetching the history. */
  private receiveGap(missed: number | null): void {
    if (missed === null && this.isNewRun) return;
    this.listener.onGap(missed ?? 0);
    if (missed !== null) void this.fetchHistory();
  }

  private enqueue(calls: readonly Summary[]): void {
    for (const call of calls) this.batch.push(call);
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.batch.length === 0) return;
    const batch = this.batch;
    this.batch = [];
    this.listener.onCalls(batch);
  }

  /** Fetch the history page by page, newest first, so that the screen fills at once. */
  private async fetchHistory(): Promise<void> {
    this.syncId += 1;
    this.synced = false;
    this.listener.onHistoryFetch();
    const syncId = this.syncId;
    let before: number | undefined;
    for (let limit = FIRST_PAGE; ; limit = PAGE) {
      let page: CallsPage;
      try {
        page = await api.calls(limit, before);
      } catch {
        // Retry, unless another fetch has started since.
        if (syncId === this.syncId) setTimeout(() => syncId === this.syncId && void this.fetchHistory(), 1_000);
        return;
      }
      if (syncId !== this.syncId) return;
      before = page.calls[0]?.id;
      const complete = before === undefined || !page.more;
      this.synced = complete;
      this.listener.onHistory(page, { complete });
      if (complete) return;
      await new Promise((resume) => setTimeout(resume, 0));
      if (syncId !== this.syncId) return;
    }
  }
}
