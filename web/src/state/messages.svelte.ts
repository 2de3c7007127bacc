/** The messages of one call: rows in pages, fetched as they come into view; bodies when they are opened. */

import { api, ApiError } from "../api/client";
import type { MessageRow, MessageView } from "../api/types";

const PAGE = 200;
const PAGES_KEPT = 60;
const BODIES_KEPT = 40;

export type Body =
  | { readonly state: "loading" }
  | { readonly state: "here"; readonly view: MessageView }
  | { readonly state: "failed"; readonly error: ApiError };

export class Messages {
  total = $state(0);
  /** Indices `[from, to)` that the history's budget has dropped. */
  gap = $state.raw<readonly [number, number] | null>(null);
  error = $state.raw<ApiError | null>(null);
  revision = $state(0);
  private readonly pages = new Map<number, readonly MessageRow[]>();
  private readonly asked = new Set<number>();
  private readonly bodies = new Map<number, Body>();
  private readonly gone = new AbortController();

  constructor(private readonly id: number) {}

  close(): void {
    this.gone.abort();
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

  /** A page holds all it can: asking again would bring nothing. */
  private full(page: number): boolean {
    const rows = this.pages.get(page);
    if (rows === undefined) return false;
    const last = rows.at(-1)?.index ?? page * PAGE - 1;
    return last >= Math.min((page + 1) * PAGE, this.total) - 1;
  }

  fetch(page: number): void {
    if (this.asked.has(page) || this.full(page)) return;
    this.asked.add(page);
    void this.fetchNow(page);
  }

  private async fetchNow(page: number): Promise<void> {
    try {
      const answer = await api.messages(this.id, page * PAGE, PAGE, this.gone.signal);
      this.pages.delete(page);
      const end = (page + 1) * PAGE;
      this.pages.set(page, answer.messages.filter((row) => row.index >= page * PAGE && row.index < end));
      for (const key of this.pages.keys()) {
        if (this.pages.size <= PAGES_KEPT) break;
        this.pages.delete(key);
      }
      this.gap = answer.gap ?? null;
      this.total = Math.max(this.total, answer.total);
      this.error = null;
      this.revision += 1;
    } catch (error) {
      if (!(error instanceof ApiError)) return;
      this.error = error;
    } finally {
      this.asked.delete(page);
    }
  }

  /** More messages have passed: the last page is no longer whole. */
  grew(total: number): void {
    if (total > this.total) this.total = total;
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
