/** The messages of one call: rows fetched in pages as they become visible, bodies when they are opened. */

import { api, ApiError } from "../api/client";
import type { MessageRow, MessageView } from "../api/types";

const PAGE = 200;
/** More rows than fit on a screen. */
const SCREEN = 80;
const MAX_PAGES = 60;
const MAX_BODIES = 40;
/** Delay of the retry after a transient failure. */
const RETRY_MS = 2_000;

export type BodyState =
  | { readonly state: "loading" }
  | { readonly state: "loaded"; readonly view: MessageView }
  | { readonly state: "failed"; readonly error: ApiError };

const canRetry = (body: BodyState): boolean => body.state === "failed" && body.error.isTransient;

export class MessageCache {
  total = $state(0);
  /** Indices `[from, to)` of messages dropped to stay within the history's size limit. */
  gap = $state.raw<readonly [number, number] | null>(null);
  error = $state.raw<ApiError | null>(null);
  revision = $state(0);
  /** While following, `total` grows only after the last rows were fetched, so that a fast stream shows no placeholders. */
  following = false;
  private latestTotal = 0;
  private fetchingTail = false;
  private readonly pages = new Map<number, readonly MessageRow[]>();
  private readonly pendingPages = new Set<number>();
  private readonly bodies = new Map<number, BodyState>();
  private readonly abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly id: number) {}

  close(): void {
    clearTimeout(this.timer);
    this.abort.abort();
  }

  /** Fetch again what failed. */
  retry(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.error === null && ![...this.bodies.values()].some(canRetry)) return;
    for (const [index, body] of this.bodies) if (canRetry(body)) this.bodies.delete(index);
    this.error = null;
    this.revision += 1;
  }

  private scheduleRetry(error: ApiError): void {
    if (error.isTransient) this.timer ??= setTimeout(() => this.retry(), RETRY_MS);
  }

  /** The row of a message, or undefined while its page is being fetched. */
  row(index: number): MessageRow | undefined {
    void this.revision;
    const page = Math.floor(index / PAGE);
    const rows = this.pages.get(page);
    const row = rows?.find((candidate) => candidate.index === index);
    if (row === undefined && index < this.total) queueMicrotask(() => this.requestPage(page));
    return row;
  }

  /** Whether the cached page already has all its rows with an index below `end`. */
  private covers(page: number, end: number): boolean {
    const rows = this.pages.get(page);
    if (rows === undefined) return false;
    const last = rows.at(-1)?.index ?? page * PAGE - 1;
    return last >= Math.min((page + 1) * PAGE, end) - 1;
  }

  requestPage(page: number): void {
    if (this.pendingPages.has(page) || this.covers(page, this.total)) return;
    this.pendingPages.add(page);
    void this.loadPage(page);
  }

  /** Fetch a page, unless it is complete up to index `until`. */
  private async loadPage(page: number, until = Infinity): Promise<void> {
    try {
      if (this.covers(page, until)) return;
      const response = await api.messages(this.id, page * PAGE, PAGE, this.abort.signal);
      this.pages.delete(page);
      const end = (page + 1) * PAGE;
      this.pages.set(
        page,
        response.messages.filter((row) => row.index >= page * PAGE && row.index < end),
      );
      for (const key of this.pages.keys()) {
        if (this.pages.size <= MAX_PAGES) break;
        this.pages.delete(key);
      }
      this.gap = response.gap ?? null;
      this.updateTotal(response.total);
      this.error = null;
      this.revision += 1;
    } catch (error) {
      if (!(error instanceof ApiError)) return;
      this.error = error;
      this.scheduleRetry(error);
    } finally {
      this.pendingPages.delete(page);
    }
  }

  /** The call now has `total` messages, so the last page may be incomplete. */
  updateTotal(total: number): void {
    this.latestTotal = Math.max(this.latestTotal, total);
    if (!this.following || this.total === 0) this.total = this.latestTotal;
    else if (this.latestTotal > this.total) void this.fetchTail();
  }

  private async fetchTail(): Promise<void> {
    if (this.fetchingTail) return;
    this.fetchingTail = true;
    const end = this.latestTotal;
    const last = Math.floor((end - 1) / PAGE);
    const pages = end % PAGE === 0 || end % PAGE > SCREEN ? [last] : [Math.max(0, last - 1), last];
    await Promise.all(pages.map((page) => this.loadPage(page, end)));
    this.fetchingTail = false;
    if (this.abort.signal.aborted) return;
    this.total = Math.max(this.total, end);
    this.updateTotal(this.latestTotal);
  }

  body(index: number): BodyState {
    void this.revision;
    const body = this.bodies.get(index);
    if (body !== undefined) return body;
    queueMicrotask(() => void this.load(index));
    return { state: "loading" };
  }

  /** Load a message's body; with `full`, all of its JSON. */
  async load(index: number, full = false): Promise<BodyState> {
    const cached = this.bodies.get(index);
    if (cached !== undefined && cached.state === "loaded" && !(full && cached.view.json_cut === true)) return cached;
    if (cached === undefined) this.bodies.set(index, { state: "loading" });
    let body: BodyState;
    try {
      body = { state: "loaded", view: await api.message(this.id, index, full, this.abort.signal) };
    } catch (error) {
      if (!(error instanceof ApiError)) return { state: "loading" };
      body = { state: "failed", error };
      if (cached?.state === "loaded") return body; // keep the part that is loaded
      this.scheduleRetry(error);
    }
    this.bodies.set(index, body);
    for (const key of this.bodies.keys()) {
      if (this.bodies.size <= MAX_BODIES) break;
      if (key !== index) this.bodies.delete(key);
    }
    this.revision += 1;
    return body;
  }

  /** Discard everything decoded so far, after a schema became available. */
  invalidate(): void {
    this.pages.clear();
    this.bodies.clear();
    this.revision += 1;
  }
}
