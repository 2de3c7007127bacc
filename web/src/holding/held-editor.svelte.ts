/** The editor of one held item: what it is, what was typed, and the decisions on it. */

import { api, ApiError } from "../api/client";
import type { HoldDecision, HoldDetail } from "../api/types";
import type { Inspector } from "../state/inspector.svelte";
import { decisionOf, type HoldCommand, type Insertion, isPossible, keepsEdit } from "./decisions";
import {
  editOf,
  type HoldTexts,
  insertionOf,
  isEdited,
  NO_TEXTS,
  placeOf,
  type Place,
  statusOf,
  textsOf,
} from "./hold";

export class HeldEditor {
  detail = $state.raw<HoldDetail | null>(null);
  original = $state.raw<HoldTexts>(NO_TEXTS);
  texts = $state<HoldTexts>(NO_TEXTS);
  problem = $state.raw<ApiError | null>(null);
  /** It is held no more. */
  gone = $state(false);
  /** What is being written besides the edit: a message to insert, or a status to answer with. */
  mode = $state<Insertion | "answer" | null>(null);
  inserted = $state("");
  answer = $state({ code: "UNAVAILABLE", message: "" });
  /** The items that were held before a step; null without one. */
  private stepped = $state.raw<ReadonlySet<number> | null>(null);
  /** The mode in which the problem came. */
  private problemMode: string | null = null;
  /** The fields of the last edit, in the order in which the API names them. */
  private sentFields: readonly string[] = [];

  private readonly loading: Promise<void>;

  constructor(
    private readonly inspector: Inspector,
    readonly id: number,
  ) {
    this.loading = this.load();
  }

  private get holding() {
    return this.inspector.calls.holding;
  }

  /** What the list says of it; undefined once it is no longer held. */
  readonly hold = $derived.by(() => this.holding.find(this.id));
  readonly item = $derived.by(() => this.hold ?? this.detail);
  readonly edited = $derived.by(() => isEdited(this.texts, this.original));
  /** It was sent by a step, and the next item of its call is not there yet. */
  readonly waits = $derived.by(() => this.stepped !== null);
  /** Where the problem is: in the edit, in what is being written besides it, or with the item. */
  readonly place = $derived.by((): Place | null => {
    if (this.problem === null) return null;
    if (this.problemMode !== null && this.problemMode === this.mode) return { part: "mode", path: "" };
    return placeOf(this.problem, this.texts, this.sentFields);
  });

  private async load(): Promise<void> {
    const kept = this.holding.editOf(this.id);
    try {
      const loaded = await api.hold(this.id);
      this.show(loaded, textsOf(loaded));
      // Another launch of Loom numbers its items from 1, too.
      if (kept !== undefined && kept.detail.came_us === loaded.came_us) this.texts = kept.texts;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== 404) {
        this.problem = error;
        return;
      }
      this.gone = true;
      if (kept === undefined) return;
      this.show(kept.detail, kept.original);
      this.texts = kept.texts;
    }
  }

  private show(detail: HoldDetail, original: HoldTexts): void {
    this.original = original;
    this.texts = original;
    this.inserted = original.json ?? (detail.message === null ? "{}" : "");
    this.detail = detail;
  }

  /** Keep what was typed while other items are open. */
  keep(): void {
    const texts = $state.snapshot(this.texts);
    if (this.detail === null) return;
    const edit = isEdited(texts, this.original) ? { detail: this.detail, original: this.original, texts } : null;
    this.holding.keepEdit(this.id, edit);
  }

  discard(): void {
    this.texts = this.original;
    this.problem = null;
  }

  /** The list of what is held has changed. */
  follow(): void {
    const { holding } = this;
    if (this.detail !== null && this.hold === undefined && holding.loaded && !holding.deciding) this.gone = true;
    if (this.stepped === null) return;
    const next = holding.open.find(({ id, call_id }) => call_id === this.item?.call_id && !this.stepped?.has(id));
    if (next !== undefined) this.inspector.acting.showHeld(next.id);
    else if (this.isCallOver) this.stepped = null;
  }

  /** Whether its call has ended. */
  get isCallOver(): boolean {
    void this.inspector.calls.revision;
    const call = this.item === null ? undefined : this.inspector.calls.get(this.item.call_id);
    return call !== undefined && call.state !== "live";
  }

  /** Carry out a command; returns whether the focus belongs into the content or what is written besides it. */
  async run(command: HoldCommand): Promise<"content" | "mode" | null> {
    await this.loading;
    const { item, inspector } = this;
    if (item === null || this.detail === null || this.gone || this.holding.deciding || !isPossible(command, item))
      return null;
    if (command === "edit") return "content";
    if (command === "replay") {
      await inspector.acting.replayHeld(this.detail, this.texts, this.original);
      return null;
    }
    if (command === "answer" || command === "insertBefore" || command === "insertAfter") {
      this.problem = null;
      this.mode = command;
      return "mode";
    }
    await this.decide(command);
    return null;
  }

  /** Leave what is being written besides the edit; false if nothing is. */
  back(): boolean {
    if (this.mode === null) return false;
    this.mode = null;
    this.problem = null;
    return true;
  }

  /** Decide on the item with what was typed. What does not fit is a problem, and the item stays held. */
  async decide(command: HoldCommand): Promise<void> {
    const { item, holding } = this;
    if (item === null || this.gone || holding.deciding) return;
    const before = new Set(holding.holds.map(({ id }) => id));
    this.problem = null;
    try {
      await this.carryOut(command);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.problem = error;
      if (error.status === 404) this.gone = true;
      return;
    }
    holding.keepEdit(this.id, null);
    this.mode = null;
    if (this.inspector.route.held !== this.id) return; // another one was opened meanwhile
    this.gone = true;
    if (command === "step") {
      this.stepped = before;
      this.follow();
    } else this.showNext(item.call_id);
  }

  private async carryOut(command: HoldCommand): Promise<void> {
    const { holding } = this;
    const decision = decisionOf(command);
    this.problemMode = null;
    if (command === "drop" || command === "cancel") return holding.decide(this.id, decision, null);
    if (command === "answer") {
      this.problemMode = "answer";
      return holding.decide(this.id, { ...decision, status: statusOf(this.answer) }, null);
    }
    const { body, json } = editOf(this.texts, this.original);
    this.sentFields = (body.fields ?? []).map(({ path }) => path);
    if (!keepsEdit(command)) return holding.decide(this.id, { ...body, ...decision }, json);
    // The API takes an edit of the item, or what goes on beside it: the edit is saved first.
    if (this.edited) {
      await holding.decide(this.id, { ...body, action: "edit" }, json);
      this.original = $state.snapshot(this.texts);
    }
    if (command === "duplicate") return holding.decide(this.id, decision, null);
    this.problemMode = command;
    const insertion: { body: HoldDecision; json: string | null } = insertionOf(this.inserted, this.isSchemaless);
    return holding.decide(this.id, { ...decision, ...insertion.body }, insertion.json);
  }

  /** Whether messages are written by the numbers of their fields. */
  get isSchemaless(): boolean {
    return this.detail !== null && this.detail.message !== null && this.texts.json === null;
  }

  /** Open the next held item, of the same call if there is one; without any, close. */
  private showNext(call: number): void {
    const rest = this.holding.open.filter(({ id }) => id !== this.id);
    const next = rest.find(({ call_id }) => call_id === call) ?? rest[0];
    if (next !== undefined) this.inspector.acting.showHeld(next.id);
    else this.inspector.acting.closeHeld();
  }
}
