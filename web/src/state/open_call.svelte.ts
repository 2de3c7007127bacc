/** The call that the detail pane shows: fetched when it is opened, and again as it goes on. */

import { api, ApiError } from "../api/client";
import type { CallDetail, Summary } from "../api/types";
import { Messages } from "./messages.svelte";

const REFRESH_MS = 300;
/** After a failure that may pass. */
const RETRY_MS = 2_000;

export class OpenCall {
  summary = $state.raw<Summary | null>(null);
  detail = $state.raw<CallDetail | null>(null);
  error = $state.raw<ApiError | null>(null);
  /** Masked secrets are shown. */
  reveal = $state(false);
  readonly messages: Messages;
  private readonly gone = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private busy = false;
  private stale = false;

  constructor(
    readonly id: number,
    summary: Summary | undefined,
  ) {
    this.messages = new Messages(id);
    this.summary = summary ?? null;
    if (summary !== undefined) this.messages.grew(summary.messages[0] + summary.messages[1]);
    void this.fetch();
  }

  close(): void {
    clearTimeout(this.timer);
    this.gone.abort();
    this.messages.close();
  }

  changed(summary: Summary): void {
    if (this.summary !== null && summary.version <= this.summary.version) return;
    this.summary = summary;
    this.messages.grew(summary.messages[0] + summary.messages[1]);
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

  /** The feed is there again: what failed is asked for at once. */
  retry(): void {
    this.messages.retry();
    if (this.error !== null) this.again(0);
    else this.refresh();
  }

  private again(wait: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.fetch(), wait);
  }

  private async fetch(): Promise<void> {
    this.timer = undefined;
    this.busy = true;
    this.stale = false;
    try {
      const detail = await api.call(this.id, this.reveal, this.gone.signal);
      const hadSchema = this.detail?.schema?.request_type;
      this.detail = detail;
      if (this.summary === null || detail.version > this.summary.version) this.summary = detail;
      this.messages.grew(detail.messages[0] + detail.messages[1]);
      if (hadSchema === null && detail.schema?.request_type) this.messages.redecode();
      this.error = null;
    } catch (error) {
      if (!(error instanceof ApiError)) return;
      this.error = error;
      if (error.mayPass) this.again(RETRY_MS);
    } finally {
      this.busy = false;
      if (this.stale && !this.gone.signal.aborted) this.refresh();
    }
  }
}
