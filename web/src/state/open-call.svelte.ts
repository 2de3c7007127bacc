/** The call in the detail pane: fetched when opened, and again whenever its summary changes. */

import { api, ApiError } from "../api/client";
import type { CallDetail, Summary } from "../api/types";
import { MessageCache } from "./message-cache.svelte";

const REFRESH_MS = 300;
/** Delay of the retry after a transient failure. */
const RETRY_MS = 2_000;

export class OpenCall {
  summary = $state.raw<Summary | null>(null);
  detail = $state.raw<CallDetail | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** Whether masked secrets are shown. */
  reveal = $state(false);
  readonly messages: MessageCache;
  private readonly abort = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private busy = false;
  private stale = false;

  constructor(
    readonly id: number,
    summary: Summary | undefined,
  ) {
    this.messages = new MessageCache(id);
    this.summary = summary ?? null;
    if (summary !== undefined) this.messages.updateTotal(summary.messages[0] + summary.messages[1]);
    void this.fetch();
  }

  close(): void {
    clearTimeout(this.timer);
    this.abort.abort();
    this.messages.close();
  }

  changed(summary: Summary): void {
    if (this.summary !== null && summary.version <= this.summary.version) return;
    this.summary = summary;
    this.messages.updateTotal(summary.messages[0] + summary.messages[1]);
    this.refresh();
  }

  setReveal(reveal: boolean): void {
    this.reveal = reveal;
    void this.fetch();
  }

  refresh(): void {
    this.stale = true;
    if (this.busy || this.timer !== undefined) return;
    this.timer = setTimeout(() => void this.fetch(), REFRESH_MS);
  }

  /** Fetch again what failed, after a reconnect. */
  retry(): void {
    this.messages.retry();
    if (this.error !== null) this.scheduleFetch(0);
    else this.refresh();
  }

  private scheduleFetch(delay: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.fetch(), delay);
  }

  private async fetch(): Promise<void> {
    this.timer = undefined;
    this.busy = true;
    this.stale = false;
    try {
      const detail = await api.call(this.id, this.reveal, this.abort.signal);
      const hadSchema = this.detail?.schema?.request_type;
      this.detail = detail;
      if (this.summary === null || detail.version > this.summary.version) this.summary = detail;
      this.messages.updateTotal(detail.messages[0] + detail.messages[1]);
      if (hadSchema === null && detail.schema?.request_type) this.messages.invalidate();
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) return;
      this.error = error;
      if (error.isTransient) this.scheduleFetch(RETRY_MS);
    } finally {
      this.busy = false;
      if (this.stale && !this.abort.signal.aborted) this.refresh();
    }
  }
}
