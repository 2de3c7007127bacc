/**
 * The live feed: one EventSource, resumed by its last id, closed while the tab is hidden.
 *
 * What arrives is gathered and handed on once per animation frame. When the connection is lost
 * the feed retries by itself, later each time, and says when. When the server says that
 * updates were skipped, or is another launch than before, the history is fetched again.
 */

import { api } from "../api/client";
import type { CallsPage, Hello, Stats, Summary } from "../api/types";

export type Connection =
  | { readonly state: "connecting" }
  | { readonly state: "open" }
  | { readonly state: "hidden" }
  | { readonly state: "lost"; readonly retryAt: number; readonly attempt: number };

export interface Listener {
  connection(connection: Connection): void;
  hello(hello: Hello): void;
  calls(batch: readonly Summary[]): void;
  stats(stats: Stats): void;
  /** Updates were skipped: `missed` of them if the server knows. The history is fetched again. */
  gap(missed: number): void;
  cleared(): void;
  /** A page of the history; after the last one, everything else that was held is gone. */
  history(page: CallsPage, progress: { readonly complete: boolean }): void;
}

const FIRST_PAGE = 60; // few enough to be on screen at once
const PAGE = 2_000; // read and merged without a task that a person would notice
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000] as const;

export class Feed {
  private source: EventSource | null = null;
  private lastId = "";
  private boot = "";
  private attempt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private batch: Summary[] = [];
  private frame = 0;
  private sync = 0;
  private synced = false;
  /** The server is another launch than before: there is nothing that was missed. */
  private newcomer = true;

  constructor(private readonly listener: Listener) {}

  start(): () => void {
    const visibility = () => (document.hidden ? this.hide() : this.open());
    const online = () => this.retryNow();
    document.addEventListener("visibilitychange", visibility);
    window.addEventListener("online", online);
    visibility();
    return () => {
      document.removeEventListener("visibilitychange", visibility);
      window.removeEventListener("online", online);
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

  /** Nobody looks: nothing is fetched either. A history that was on its way is fetched anew on return. */
  private hide(): void {
    this.close();
    this.sync += 1;
    this.listener.connection({ state: "hidden" });
  }

  private open(): void {
    this.close();
    this.listener.connection({ state: "connecting" });
    const resume = this.lastId === "" ? "" : `?last=${encodeURIComponent(this.lastId)}`;
    const source = new EventSource(`/api/events${resume}`);
    this.source = source;
    const on = (name: string, handle: (event: MessageEvent<string>) => void) =>
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        if (event.lastEventId !== "") this.lastId = event.lastEventId;
        handle(event);
      });
    on("hello", (event) => this.greet(JSON.parse(event.data) as Hello));
    on("calls", (event) => this.gather(JSON.parse(event.data) as Summary[]));
    on("stats", (event) => this.listener.stats(JSON.parse(event.data) as Stats));
    on("gap", (event) => this.skipped((JSON.parse(event.data) as { missed: number | null }).missed));
    on("cleared", () => {
      this.flush();
      this.sync += 1;
      this.synced = true;
      this.listener.cleared();
    });
    source.onerror = () => {
      if (source === this.source) this.lost();
    };
  }

  private lost(): void {
    this.close();
    const wait = RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)] as number;
    this.attempt += 1;
    this.listener.connection({ state: "lost", retryAt: Date.now() + wait, attempt: this.attempt });
    this.timer = setTimeout(() => this.open(), wait);
  }

  private greet(hello: Hello): void {
    this.attempt = 0;
    this.listener.connection({ state: "open" });
    this.listener.hello(hello);
    const same = hello.boot === this.boot;
    this.newcomer = !same;
    this.boot = hello.boot;
    if (!same || !this.synced || !hello.resumed) void this.fetchHistory();
  }

  /** Null: the server cannot tell, because we come back too late; the history is on its way since the greeting. */
  private skipped(missed: number | null): void {
    if (missed === null && this.newcomer) return;
    this.listener.gap(missed ?? 0);
    if (missed !== null) void this.fetchHistory();
  }

  private gather(calls: readonly Summary[]): void {
    for (const call of calls) this.batch.push(call);
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.batch.length === 0) return;
    const batch = this.batch;
    this.batch = [];
    this.listener.calls(batch);
  }

  /** Newest page first, so that the screen fills at once; the rest follows page by page. */
  private async fetchHistory(): Promise<void> {
    this.sync += 1;
    this.synced = false;
    const mine = this.sync;
    let before: number | undefined;
    for (let limit = FIRST_PAGE; ; limit = PAGE) {
      let page: CallsPage;
      try {
        page = await api.calls(limit, before);
      } catch {
        // The feed's own reconnection starts this again.
        if (mine === this.sync) setTimeout(() => mine === this.sync && void this.fetchHistory(), 1_000);
        return;
      }
      if (mine !== this.sync) return;
      before = page.calls[0]?.id;
      const complete = before === undefined || !page.more;
      this.synced = complete;
      this.listener.history(page, { complete });
      if (complete) return;
      await new Promise((resume) => setTimeout(resume, 0));
      if (mine !== this.sync) return;
    }
  }
}
