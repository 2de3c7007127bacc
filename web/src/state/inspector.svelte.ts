/** The whole page's state: where it is, what is open, what the keys do. One instance, made by `App`. */

import { getContext, setContext } from "svelte";
import { api, ApiError, type Side } from "../api/client";
import type { Summary } from "../api/types";
import { TableLayout } from "../table/layout.svelte";
import { Theme } from "../theme/theme.svelte";
import { Calls } from "./calls.svelte";
import { Notices } from "./notices.svelte";
import { OpenCall } from "./open_call.svelte";
import { toggled } from "../filter/terms_in";
import { type Place, readPlace, START, type Tab, writePlace } from "./route";

export type Dialog = "help" | "clear" | null;
export interface DiffSides {
  readonly left: Side;
  readonly right: Side;
}

export class Inspector {
  readonly calls = new Calls();
  readonly theme = new Theme();
  readonly table = new TableLayout();
  readonly notices = new Notices();
  place = $state.raw<Place>(START);
  /** The row that the keys act on; the open call, when one is open. */
  cursor = $state<number | null>(null);
  open = $state.raw<OpenCall | null>(null);
  mark = $state.raw<DiffSides["left"] | null>(null);
  diff = $state.raw<DiffSides | null>(null);
  dialog = $state<Dialog>(null);
  /** Keeps the newest row in view. */
  follow = $state(true);
  /** Keeps the newest message of an open live stream in view. */
  followStream = $state(true);
  /** Asks the replay tab to open its editor and to give it the focus. */
  wantsEdit = $state(false);
  /** Index of the first row that the table shows whole; it says so itself. */
  firstOnScreen = 0;
  private stopFeed: (() => void) | null = null;

  start(): () => void {
    this.calls.onChanged = (batch) => this.keepOpenCallFresh(batch);
    this.calls.onBack = (renewed) => this.back(renewed);
    const back = () => this.show(readPlace(location));
    window.addEventListener("popstate", back);
    this.show(readPlace(location));
    this.stopFeed = this.calls.feed.start();
    return () => {
      window.removeEventListener("popstate", back);
      this.stopFeed?.();
      this.open?.close();
    };
  }

  private keepOpenCallFresh(batch: readonly Summary[]): void {
    const open = this.open;
    if (open === null) return;
    const summary = batch.find(({ id }) => id === open.id);
    if (summary !== undefined) open.changed(summary);
  }

  /** After another launch a number may mean another call: what is open is read anew, and what was marked is gone. */
  private back(renewed: boolean): void {
    if (!renewed) return this.open?.retry();
    this.mark = null;
    this.diff = null;
    if (this.open === null) return;
    this.open.close();
    this.open = new OpenCall(this.open.id, undefined);
  }

  private show(place: Place): void {
    this.place = place;
    if (place.filter !== this.calls.finder.text) this.calls.finder.set(place.filter);
    if (place.call === (this.open?.id ?? null)) return;
    this.open?.close();
    this.followStream = true;
    this.open = place.call === null ? null : new OpenCall(place.call, this.calls.get(place.call));
    if (place.call !== null) {
      this.cursor = place.call;
      this.follow = false;
    }
  }

  /** Goes to a place: a step in the history when a call opens or closes, else in place. */
  go(change: Partial<Place>): void {
    const next = { ...this.place, ...change };
    if (next.call !== this.place.call && !("message" in change)) next.message = null;
    const step = (next.call === null) !== (this.place.call === null);
    history[step ? "pushState" : "replaceState"](null, "", writePlace(next));
    this.show(next);
  }

  openCall(id: number, tab?: Tab): void {
    this.go(tab === undefined ? { call: id } : { call: id, tab });
  }

  close(): void {
    this.go({ call: null });
  }

  /** The browser tells late that a dialog has closed: by then a key may have opened another one. */
  closeDialog(dialog: Dialog): void {
    if (this.dialog === dialog) this.dialog = null;
  }

  setTab(tab: Tab): void {
    this.go({ tab });
  }

  filter(text: string): void {
    this.calls.finder.set(text);
    if (this.calls.finder.error === null) this.go({ filter: text.trim() });
  }

  /** Adds a term to the filter, or takes it away if it is there. */
  toggleTerm(term: string): void {
    this.filter(toggled(this.calls.finder.text, term));
  }

  /** Moves the cursor by rows; an open pane follows it. Without one, `start` says where it first stands. */
  move(to: (index: number, count: number) => number, start: "jump" | "step" = "step"): void {
    const rows = this.calls.rows;
    if (rows.length === 0) return;
    const at = this.positionOfCursor(rows);
    const first = this.follow ? rows.length - 1 : this.firstOnScreen;
    const wanted = at < 0 && start === "step" ? first : to(at, rows.length);
    const index = Math.max(0, Math.min(rows.length - 1, wanted));
    const id = (rows[index] as Summary).id;
    this.cursor = id;
    this.follow = false;
    if (this.open !== null) this.openCall(id);
  }

  /** Of a row that has left the table since: where it would stand in order of arrival. */
  private positionOfCursor(rows: readonly Summary[]): number {
    const cursor = this.cursor;
    if (cursor === null) return -1;
    const at = rows.findIndex((row) => row.id === cursor);
    return at >= 0 ? at : rows.findIndex((row) => row.id > cursor) - 1;
  }

  toggleFollow(): void {
    if (this.open?.summary?.state === "live" && this.place.tab === "messages") this.followStream = !this.followStream;
    else this.follow = !this.follow;
  }

  /** The call that a command is about: the open one, else the one under the cursor. */
  get current(): number | null {
    return this.open?.id ?? this.cursor;
  }

  async copyGrpcurl(id: number | null = this.current): Promise<void> {
    if (id === null) return this.notices.say("Select a call first: j and k move, Enter opens.");
    try {
      const { command, notes } = await api.grpcurl(id, this.open?.id === id && this.open.reveal);
      await this.copy(command, `grpcurl command of #${id}`, notes[0]);
    } catch (error) {
      this.fail(error);
    }
  }

  async copy(text: string, what: string, note = ""): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Not a secure context (the page by IP address): the older way needs no permission.
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "visually-hidden";
      document.body.append(area);
      area.select();
      const copied = document.execCommand("copy");
      area.remove();
      if (!copied) return this.notices.say(`The browser refused to copy the ${what}.`, "bad");
    }
    this.notices.say(`Copied ${what}.${note === "" ? "" : ` ${note}`}`);
  }

  /** Why nothing can be sent, "" where it can. */
  get unsendable(): string {
    const { readOnly } = this.calls;
    return readOnly === "" ? "" : `${readOnly} is open read-only: import it into a running Loom to send its calls.`;
  }

  async replay(id: number | null = this.current): Promise<void> {
    if (id === null) return;
    if (this.unsendable !== "") return this.notices.say(this.unsendable);
    try {
      const answer = await api.replay(id, {});
      this.notices.say(`#${id} is replayed as #${answer.id}.`, "ok", {
        label: "Open",
        run: () => this.openCall(answer.id),
      });
      if (this.open?.id === id) this.open.refresh();
    } catch (error) {
      this.fail(error);
    }
  }

  edit(): void {
    if (this.current === null) return;
    if (this.unsendable !== "") return this.notices.say(this.unsendable);
    this.openCall(this.current, "replay");
    this.wantsEdit = true;
  }

  setMark(): void {
    if (this.current === null) return;
    this.mark = { call: this.current, message: this.open === null ? null : this.place.message };
    this.notices.say(`Marked ${sideName(this.mark)}. Press d on another one to compare.`);
  }

  compareWithMark(): void {
    if (this.current === null) return;
    if (this.mark === null) return this.notices.say("Mark a call or a message first (m), then compare (d).");
    const message = this.mark.message === null ? null : this.place.message;
    if (this.mark.call === this.current && this.mark.message === message) {
      return this.notices.say(`${sideName(this.mark)} is what is marked: go to another one, then compare (d).`);
    }
    this.diff = { left: this.mark, right: { call: this.current, message } };
  }

  fail(error: unknown): void {
    if (error instanceof ApiError) this.notices.say(error.message, "bad", undefined, error.hint);
    else throw error;
  }
}

export function sideName({ call, message }: DiffSides["left"]): string {
  return message === null ? `#${call}` : `#${call}, message ${message}`;
}

const KEY = Symbol("inspector");
export const provideInspector = (inspector: Inspector): Inspector => setContext(KEY, inspector);
export const useInspector = (): Inspector => getContext<Inspector>(KEY);
