/** The state of the page and the commands that act on it. One instance, created by `App`. */

import { getContext, setContext } from "svelte";
import { api, ApiError, type DiffSide } from "../api/client";
import type { Summary } from "../api/types";
import { TableLayout } from "../table/table-layout.svelte";
import { Theme } from "../theme/theme.svelte";
import { methodParts } from "../format/method";
import { pluralize } from "../format/units";
import { positionOf } from "../feed/call-store";
import { Acting } from "../acting/acting.svelte";
import { Calls } from "./calls.svelte";
import { Drafts } from "./drafts.svelte";
import { Notices } from "./notices.svelte";
import { OpenCall } from "./open-call.svelte";
import { Replays } from "./replays.svelte";
import { toggleTerm } from "../filter/term-text";
import { type Route, parseRoute, DEFAULT_ROUTE, type Tab, formatRoute } from "./route";

export type Dialog = "help" | "clear" | null;
export interface DiffSides {
  readonly left: DiffSide;
  readonly right: DiffSide;
}

/** How long a first press of `r` waits for the second one. */
const CONFIRM_MS = 5_000;

export class Inspector {
  readonly calls = new Calls();
  readonly theme = new Theme();
  readonly table = new TableLayout();
  readonly notices = new Notices();
  readonly drafts = new Drafts();
  readonly replays = new Replays(this.drafts);
  readonly acting = new Acting(this);
  route = $state.raw<Route>(DEFAULT_ROUTE);
  /** Id of the selected row; the open call's if one is open. */
  cursor = $state<number | null>(null);
  open = $state.raw<OpenCall | null>(null);
  mark = $state.raw<DiffSide | null>(null);
  diff = $state.raw<DiffSides | null>(null);
  dialog = $state<Dialog>(null);
  /** Ids of the rows selected with Shift and Ctrl; empty unless there are several. */
  selection = $state.raw<ReadonlySet<number>>(new Set());
  /** Where a range of the selection starts. */
  private anchor: number | null = null;
  /** Scroll to the newest row as calls arrive. */
  follow = $state(true);
  /** Scroll to the newest message of an open live stream. */
  followStream = $state(true);
  /** Request to the replay tab to open and focus its editor. */
  editRequested = $state(false);
  /** Index of the first fully visible row; set by the table. */
  firstVisibleRow = 0;
  private stopFeed: (() => void) | null = null;
  /** The call that a second press of `r` sends, and until when. */
  private confirming: { readonly id: number; readonly until: number } | null = null;

  start(): () => void {
    this.calls.onCallsChanged = (batch) => this.updateOpenCall(batch);
    this.calls.onReconnect = (restarted) => this.handleReconnect(restarted);
    const onPopState = () => this.applyRoute(parseRoute(location));
    window.addEventListener("popstate", onPopState);
    this.applyRoute(parseRoute(location));
    this.stopFeed = this.calls.start();
    const stopDrafts = this.drafts.start();
    const stopRuleDrafts = this.acting.drafts.start();
    return () => {
      stopDrafts();
      stopRuleDrafts();
      window.removeEventListener("popstate", onPopState);
      this.stopFeed?.();
      this.open?.close();
    };
  }

  private updateOpenCall(batch: readonly Summary[]): void {
    this.replays.changed(batch);
    const open = this.open;
    if (open === null) return;
    const summary = batch.find(({ id }) => id === open.id);
    if (summary !== undefined) open.changed(summary);
  }

  /** After a restart ids may mean other calls: reload the open call and discard the mark. */
  private handleReconnect(restarted: boolean): void {
    if (!restarted) return this.open?.retry();
    this.mark = null;
    this.diff = null;
    this.clearSelection();
    this.replays.reset();
    if (this.open === null) return;
    this.open.close();
    this.open = new OpenCall(this.open.id, undefined);
  }

  private applyRoute(route: Route): void {
    this.route = route;
    this.calls.holding.opened = route.held !== null;
    if (route.filter !== this.calls.filter.text) this.calls.filter.set(route.filter);
    if (route.call === (this.open?.id ?? null)) return;
    this.open?.close();
    this.followStream = true;
    this.open = route.call === null ? null : new OpenCall(route.call, this.calls.get(route.call));
    if (route.call !== null) {
      this.cursor = route.call;
      this.follow = false;
    }
  }

  /**
   * Change the route. Opening or closing a call adds a history entry, and so does `jump`, to a call that the user did
   * not step to; other changes replace the entry.
   */
  navigate(change: Partial<Route>, { jump = false } = {}): void {
    const next = { ...this.route, ...change };
    if (next.call !== this.route.call && !("message" in change)) next.message = null;
    const opensOrCloses = (next.call === null) !== (this.route.call === null);
    history[opensOrCloses || jump ? "pushState" : "replaceState"](null, "", formatRoute(next));
    this.applyRoute(next);
  }

  openCall(id: number, tab?: Tab): void {
    this.navigate(tab === undefined ? { call: id } : { call: id, tab });
  }

  /** Open a call by a link to it: Back returns to the one before. */
  jumpTo(id: number, tab: Tab = "messages"): void {
    this.navigate({ call: id, tab }, { jump: true });
  }

  close(): void {
    this.navigate({ call: null });
  }

  /** Close `dialog`, unless another one was opened before the browser's close event arrived. */
  closeDialog(dialog: Dialog): void {
    if (this.dialog === dialog) this.dialog = null;
  }

  setTab(tab: Tab): void {
    this.navigate({ tab });
  }

  setFilter(text: string): void {
    this.calls.filter.set(text);
    if (this.calls.filter.error === null) this.navigate({ filter: text.trim() });
  }

  /** Add a term to the filter, or remove it if present. */
  toggleTerm(term: string): void {
    this.setFilter(toggleTerm(this.calls.filter.text, term));
  }

  /** Move the selection, and the open call with it. Without a selection, `step` starts at the first visible row. */
  move(to: (index: number, count: number) => number, start: "jump" | "step" = "step"): void {
    const rows = this.calls.rows;
    if (rows.length === 0) return;
    const at = this.positionOfCursor(rows);
    const first = this.follow ? rows.length - 1 : this.firstVisibleRow;
    const target = at < 0 && start === "step" ? first : to(at, rows.length);
    const index = Math.max(0, Math.min(rows.length - 1, target));
    const id = (rows[index] as Summary).id;
    this.clearSelection();
    this.cursor = id;
    this.follow = false;
    if (this.open !== null) this.openCall(id);
  }

  /** Select all rows from the anchor, the cursor at first, to this one. */
  selectTo(id: number): void {
    const rows = this.calls.rows;
    this.anchor ??= this.cursor ?? id;
    const from = rows.findIndex((row) => row.id === this.anchor);
    const to = rows.findIndex((row) => row.id === id);
    if (to < 0) return;
    const [first, last] = from < 0 ? [to, to] : [Math.min(from, to), Math.max(from, to)];
    this.select(rows.slice(first, last + 1).map((row) => row.id));
    this.moveCursor(id);
  }

  /** Add a row to the selection, or remove it. */
  toggleSelected(id: number): void {
    const ids = new Set(this.selection);
    if (ids.size === 0 && this.cursor !== null) ids.add(this.cursor);
    if (!ids.delete(id)) ids.add(id);
    this.select(ids);
    this.anchor = id;
    this.moveCursor(id);
  }

  /** Extend the selection by the row after or before the cursor. */
  extendSelection(by: 1 | -1): void {
    const rows = this.calls.rows;
    const next = rows[rows.findIndex((row) => row.id === this.cursor) + by];
    if (this.cursor !== null && next !== undefined) this.selectTo(next.id);
  }

  private select(ids: Iterable<number>): void {
    const selection = new Set(ids);
    this.selection = selection.size > 1 ? selection : new Set();
  }

  clearSelection(): void {
    this.selection = new Set();
    this.anchor = null;
  }

  /** The selected calls in order of id; the current one if there is no selection. */
  get selected(): readonly number[] {
    if (this.selection.size > 0) return [...this.selection].sort((a, b) => a - b);
    return this.current === null ? [] : [this.current];
  }

  /** Move the cursor without opening a call; an open one stays open. */
  private moveCursor(id: number): void {
    this.cursor = id;
    this.follow = false;
  }

  /** Send the selected calls again, one after the other, each with its unsent edits. */
  async replaySelected(): Promise<void> {
    if (this.readOnlyReason !== "") return this.notices.show(this.readOnlyReason, "quiet");
    const calls = this.selected.map((id) => this.summaryOf(id)).filter((call) => call !== null);
    let sent = 0;
    for (const call of calls) {
      if ((await this.replays.send(call)) !== null) sent += 1;
      else if (this.replays.problem !== null) this.reportError(this.replays.problem.error);
    }
    if (sent > 0) this.notices.show(`Replayed ${sent} of ${pluralize(calls.length, "call")}.`);
  }

  compareSelected(): void {
    const [left, right, ...more] = this.selected;
    if (left === undefined || right === undefined || more.length > 0) {
      return this.notices.show("Select two calls to compare (Ctrl+click, or Shift+J).", "quiet");
    }
    this.diff = { left: { call: left, message: null }, right: { call: right, message: null } };
  }

  /** Compare a failed call with the newest call of its method before it that succeeded. */
  compareWithLastOk(call: Summary): void {
    const all = this.calls.store.all();
    for (let at = positionOf(all, call.id) - 1; at >= 0; at--) {
      const other = all[at] as Summary;
      if (other.method !== call.method || other.status?.code !== 0) continue;
      this.diff = { left: { call: other.id, message: null }, right: { call: call.id, message: null } };
      return;
    }
    this.notices.show(`No earlier call of ${methodParts(call.method).name} in memory was OK.`, "quiet");
  }

  /** Index of the selected row; if it is no longer shown, where it would be in order of id. */
  private positionOfCursor(rows: readonly Summary[]): number {
    const cursor = this.cursor;
    if (cursor === null) return -1;
    const at = rows.findIndex((row) => row.id === cursor);
    return at >= 0 ? at : rows.findIndex((row) => row.id > cursor) - 1;
  }

  toggleFollow(): void {
    if (this.open?.summary?.state === "live" && this.route.tab === "messages") this.followStream = !this.followStream;
    else this.follow = !this.follow;
  }

  /** The call that commands act on: the open one, else the selected one. */
  get current(): number | null {
    return this.open?.id ?? this.cursor;
  }

  async copyGrpcurl(id: number | null = this.current): Promise<void> {
    if (id === null) return this.notices.show("Select a call first (j, k).", "quiet");
    try {
      const { command, notes } = await api.grpcurl(id, this.open?.id === id && this.open.reveal);
      await this.copy(command, `grpcurl command of #${id}`, notes[0]);
    } catch (error) {
      this.reportError(error);
    }
  }

  async copy(text: string, what: string, note = ""): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Not a secure context (page opened by IP address): use the older API, which needs no permission.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "visually-hidden";
      document.body.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      if (!copied) return this.notices.show(`Could not copy the ${what}: the browser refused.`, "bad");
    }
    this.notices.show(`Copied ${what}.${note === "" ? "" : ` ${note}`}`);
  }

  /** Why calls cannot be sent, or "" if they can. */
  get readOnlyReason(): string {
    const { readOnly } = this.calls.server;
    return readOnly === "" ? "" : `${readOnly} is read-only. To send its calls, import it into a running Loom.`;
  }

  private summaryOf(id: number): Summary | null {
    return (this.open?.id === id ? this.open.summary : null) ?? this.calls.get(id) ?? null;
  }

  /** Send a call, with its unsent edits if it has any. On the replay tab the answer is shown beside them. */
  async replay(id: number | null = this.current, { asRecorded = false } = {}): Promise<void> {
    const call = id === null ? null : this.summaryOf(id);
    if (call === null) return;
    if (this.readOnlyReason !== "") return this.notices.show(this.readOnlyReason, "quiet");
    this.confirming = null;
    const edited = !asRecorded && this.drafts.get(call) !== null;
    const replay = await this.replays.send(call, { asRecorded });
    if (replay === null) {
      if (edited) this.openCall(call.id, "replay");
      else if (!this.showsReplay(call.id) && this.replays.problem !== null)
        this.reportError(this.replays.problem.error);
      return;
    }
    if (this.open?.id === call.id) this.open.refresh();
    if (this.showsReplay(call.id)) return;
    this.notices.show(`Replayed #${call.id}${edited ? ", edited," : ""} as #${replay}.`, "ok", {
      label: "Open",
      run: () => this.jumpTo(replay),
    });
  }

  /** Whether the replay tab of this call is shown, which tells success and failure itself. */
  private showsReplay(id: number): boolean {
    return this.open?.id === id && this.route.tab === "replay";
  }

  /** Send the current call at the second of two presses: one key alone must not make a real call. */
  confirmReplay(): void {
    const id = this.current;
    const call = id === null ? null : this.summaryOf(id);
    if (call === null) return this.notices.show("Select a call first (j, k).", "quiet");
    if (this.readOnlyReason !== "") return this.notices.show(this.readOnlyReason, "quiet");
    if (this.confirming?.id === call.id && Date.now() < this.confirming.until) return void this.replay(call.id);
    this.confirming = { id: call.id, until: Date.now() + CONFIRM_MS };
    const { service, name } = methodParts(call.method);
    const edits = this.drafts.get(call);
    const what = `${service}/${name}${edits === null ? "" : " with your edits"}`;
    this.notices.show(`Press r again to send ${what} to ${edits?.target ?? call.target}.`, "quiet", {
      label: edits === null ? "Replay" : "Send edited",
      run: () => void this.replay(call.id),
    });
  }

  edit(): void {
    if (this.current === null) return;
    if (this.readOnlyReason !== "") return this.notices.show(this.readOnlyReason, "quiet");
    this.openCall(this.current, "replay");
    this.editRequested = true;
  }

  setMark(): void {
    if (this.current === null) return;
    this.mark = { call: this.current, message: this.open === null ? null : this.route.message };
    this.notices.show(`Marked ${diffSideLabel(this.mark)}. Select another and press d to compare.`);
  }

  compareWithMark(): void {
    if (this.current === null) return;
    if (this.mark === null) return this.notices.show("Mark a call or message first (m), then compare (d).", "quiet");
    const message = this.mark.message === null ? null : this.route.message;
    if (this.mark.call === this.current && this.mark.message === message) {
      return this.notices.show(
        `${diffSideLabel(this.mark)} is marked itself. Select another, then compare (d).`,
        "quiet",
      );
    }
    this.diff = { left: this.mark, right: { call: this.current, message } };
  }

  reportError(error: unknown): void {
    if (error instanceof ApiError) this.notices.show(error.message, "bad", undefined, error.hint);
    else throw error;
  }
}

export function diffSideLabel({ call, message }: DiffSide): string {
  return message === null ? `#${call}` : `#${call}, message ${message}`;
}

const KEY = Symbol("inspector");
export const provideInspector = (inspector: Inspector): Inspector => setContext(KEY, inspector);
export const useInspector = (): Inspector => getContext<Inspector>(KEY);
