/** The messages of one call: rows in pages, fetched as they come into view; bodies when they are opened. */

import { api, ApiError } from "../api/client";
import type { MessageRow, MessageView } from "../api/types";

const PAGE = 200;
/** More rows than a screen has. */
const SCREEN = 80;
const PAGES_KEPT = 60;
const BODIES_KEPT = 40;
/** After a failure that may pass. */
const RETRY_MS = 2_000;

export type Body =
  | { readonly state: "loading" }
  | { readonly state: "here"; readonly view: MessageView }
  | { readonly state: "failed"; readonly error: ApiError };

const failed = (body: Body): boolean => body.state === "failed" && body.error.mayPass;

export class Messages {
  total = $state(0);
  /** Indices `[from, to)` that the history's budget has dropped. */
  gap = $state.raw<readonly [number, number] | null>(null);
  error = $state.raw<ApiError | null>(null);
  revision = $state(0);
  /** The end is looked at: it moves on when its rows are here, so that a fast stream shows messages, not their absence. */
  following = false;
  private announced = 0;
  private tail = false;
  private readonly pages = new Map<number, readonly MessageRow[]>();
  private readonly asked = new Set<number>();
  private readonly bodies = new Map<number, Body>();
  private readonly gone = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly id: number) {}

  close(): void {
    clearTimeout(this.timer);
    this.gone.abort();
  }

  /** Asks again for what could not be fetched. */
  retry(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.error === null && ![...this.bodies.values()].some(failed)) return;
    for (const [index, body] of this.bodies) if (failed(body)) this.bodies.delete(index);
    this.error = null;
    this.revision += 1;
  }

  private retryLater(error: ApiError): void {
    if (error.mayPass) this.timer ??= setTimeout(() => this.retry(), RETRY_MS);
  }

  /** The row of a message, or undefined while its page is on the way. */
  row(index: number): MessageRow | undefined {
    void this.revision;
    const page = Math.floor(index / PAGE);
    const rows = this.pages.get(page);
    const row = rows?.find((one) => one.index === index);
    if (row === undefined && index < this.total) queueMicrotask(() => this.fetch(page));
    return row;
  }

  /** A page holds all it can of what is before `end`: asking again would bring nothing. */
  private reaches(page: number, end: number): boolean {
    const rows = this.pages.get(page);
    if (rows === undefined) return false;
    const last = rows.at(-1)?.index ?? page * PAGE - 1;
    return last >= Math.min((page + 1) * PAGE, end) - 1;
  }

  fetch(page: number): void {
    if (this.asked.has(page) || this.reaches(page, this.total)) return;
    this.asked.add(page);
    void this.fetchNow(page);
  }

  /** Up to `until`, where it is known how far one will look. */
  private async fetchNow(page: number, until = Infinity): Promise<void> {
    try {
      if (this.reaches(page, until)) return;
      const answer = await api.messages(this.id, page * PAGE, PAGE, this.gone.signal);
      this.pages.delete(page);
      const end = (page + 1) * PAGE;
      this.pages.set(
        page,
        answer.messages.filter((row) => row.index >= page * PAGE && row.index < end),
      );
      for (const key of this.pages.keys()) {
        if (this.pages.size <= PAGES_KEPT) break;
        this.pages.delete(key);
      }
      this.gap = answer.gap ?? null;
      this.grew(answer.total);
      this.error = null;
      this.revision += 1;
    } catch (error) {
      if (!(error instanceof ApiError)) return;
      this.error = error;
      this.retryLater(error);
    } finally {
      this.asked.delete(page);
    }
  }

  /** More messages have passed: the last page is no longer whole. */
  grew(total: number): void {
    this.announced = Math.max(this.announced, total);
    if (!this.following || this.total === 0) this.total = this.announced;
    else if (this.announced > this.total) void this.fetchTail();
  }

  private async fetchTail(): Promise<void> {
    if (this.tail) return;
    this.tail = true;
    const end = this.announced;
    const last = Math.floor((end - 1) / PAGE);
    const pages = end % PAGE === 0 || end % PAGE > SCREEN ? [last] : [Math.max(0, last - 1), last];
    await Promise.all(pages.map((page) => this.fetchNow(page, end)));
    this.tail = false;
    if (this.gone.signal.aborted) return;
    this.total = Math.max(this.total, end);
    this.grew(this.announced);
  }

  body(index: number): Body {
    void this.revision;
    const body = this.bodies.get(index);
    if (body !== undefined) return body;
    queueMicrotask(() => void this.load(index));
    return { state: "loading" };
  }

  /** The message; `whole` with all of its JSON, however much that is. */
  async load(index: number, whole = false): Promise<Body> {
    const held = this.bodies.get(index);
    if (held !== undefined && held.state === "here" && !(whole && held.view.json_cut === true)) return held;
    if (held === undefined) this.bodies.set(index, { state: "loading" });
    let body: Body;
    try {
      body = { state: "here", view: await api.message(this.id, index, whole, this.gone.signal) };
    } catch (error) {
      if (!(error instanceof ApiError)) return { state: "loading" };
      body = { state: "failed", error };
      if (held?.state === "here") return body; // what was here stays
      this.retryLater(error);
    }
    this.bodies.set(index, body);
    for (const key of this.bodies.keys()) {
      if (this.bodies.size <= BODIES_KEPT) break;
      if (key !== index) this.bodies.delete(key);
    }
    this.revision += 1;
    return body;
  }

  /** Descriptors may have become known: what was decoded without them is fetched again. */
  redecode(): void {
    this.pages.clear();
    this.bodies.clear();
    this.revision += 1;
  }
}
