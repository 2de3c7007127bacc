/** Commands that act on traffic: the drawer, rules made of a call, and saving them. */

import { api, ApiError } from "../api/client";
import type { Breakpoint, BreakpointRequest, HoldDetail, MessageRow, Summary } from "../api/types";
import type { Inspector } from "../state/inspector.svelte";
import { exactTerm } from "../filter/term-text";
import type { HoldTexts } from "../holding/hold";
import { formatJson } from "../json/json-lines";
import type { ReplayEdits } from "../state/replay-draft";
import { RuleDrafts } from "../state/rule-drafts.svelte";
import { BESIDE_FROM } from "../shell/split-layout.svelte";
import { emptyRule, faultOf, metadataTerms, type RuleKind, ruleFromMessage, ruleFromStatus } from "./rule-template";

/** Messages searched for the first response of a stream, and counted to number one of a direction. */
const MAX_SEARCHED = 1_000;

/** The route without the drawer. */
const CLOSED = { acting: false, rule: null, breakpoint: null } as const;

export class Acting {
  readonly drafts = new RuleDrafts();

  constructor(private readonly inspector: Inspector) {}

  private get rules() {
    return this.inspector.calls.rules;
  }

  private get holding() {
    return this.inspector.calls.holding;
  }

  /** Whether anything may act on new calls: the master switch. */
  get isOn(): boolean {
    const { state } = this.rules;
    return (state !== null && state.rules.length > 0 && state.enabled) || this.holding.armed > 0;
  }

  /** Why nothing can act on traffic here, or "". */
  get unavailable(): string {
    if (this.inspector.readOnlyReason !== "") return this.inspector.readOnlyReason;
    return this.rules.canAct
      ? ""
      : "Nothing can act on traffic here: the wire engine forwards bytes. Use --engine relay.";
  }

  toggle(): void {
    if (this.inspector.route.acting) this.close();
    else this.showList();
  }

  showList(): void {
    this.inspector.navigate({ acting: true, rule: null, breakpoint: null, held: null }, { jump: true });
  }

  edit(key: string): void {
    this.inspector.navigate({ acting: true, rule: key, breakpoint: null, held: null }, { jump: true });
  }

  /** Open a held item in the place of the drawer. */
  showHeld(id: number): void {
    const { held } = this.inspector.route;
    this.inspector.navigate({ ...CLOSED, held: id }, { jump: held === null });
  }

  /** Open the item that is held longest, or the one after the open one. */
  showNextHeld(): void {
    const { held } = this.inspector.route;
    const ids = [...this.holding.open, ...this.holding.holds.filter(({ over }) => over)].map(({ id }) => id);
    const next = ids[(held === null ? -1 : ids.indexOf(held)) + 1] ?? ids[0];
    if (next === undefined) return this.inspector.notices.show("Nothing is held. b sets a breakpoint.", "quiet");
    this.showHeld(next);
  }

  closeHeld(): void {
    this.inspector.navigate({ held: null });
  }

  /** Open the call of the open held item beside it. Where there is no room for both, Back returns to the item. */
  showCallOfHeld(id: number): void {
    const held = innerWidth >= BESIDE_FROM ? this.inspector.route.held : null;
    this.inspector.navigate({ call: id, tab: "messages", held }, { jump: true });
  }

  /** Send everything that is held. */
  async resumeAll(): Promise<void> {
    if (this.holding.open.length === 0) return this.inspector.notices.show("Nothing is held.", "quiet");
    await this.attempt(this.holding.resumeAll());
    const { held } = this.inspector.route;
    if (held !== null && this.holding.find(held) === undefined) this.closeHeld();
  }

  /** The form of a breakpoint on the calls of a method (that of the current call by default; "" for any). */
  breakOn(method = this.methodOfCurrent): void {
    if (this.unavailable !== "") return this.inspector.notices.show(this.unavailable, "quiet");
    const breakpoint = method === undefined || method === "" ? "" : exactTerm("method", method);
    this.inspector.navigate({ acting: true, rule: null, breakpoint, held: null }, { jump: true });
  }

  changeBreakpoint({ match }: Breakpoint): void {
    this.inspector.navigate({ acting: true, rule: null, breakpoint: match, held: null }, { jump: true });
  }

  private get methodOfCurrent(): string | undefined {
    const { current, open, calls } = this.inspector;
    if (current === null) return undefined;
    return (open?.id === current ? open.summary : calls.get(current))?.method;
  }

  /** Set a breakpoint. Returns why it could not be set, or null. */
  async setBreakpoint(body: BreakpointRequest): Promise<ApiError | null> {
    try {
      await this.holding.set(body);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error;
    }
    this.inspector.notices.show("The breakpoint holds items of calls that start from now on.", "warn");
    this.showList();
    return null;
  }

  /** Take the edit of an item whose call is over into a replay of the call. */
  async replayHeld(hold: HoldDetail, texts: HoldTexts, original: HoldTexts): Promise<void> {
    try {
      const call = await api.call(hold.call_id);
      const edits = await this.replayEdits(call, hold, texts, original);
      if (edits !== null) this.inspector.drafts.put(call, { ...this.inspector.drafts.get(call), ...edits });
      const held = innerWidth >= BESIDE_FROM ? this.inspector.route.held : null;
      this.inspector.navigate({ call: call.id, tab: "replay", held }, { jump: true });
      if (edits === null) this.inspector.notices.show("Only what the client sent can be replayed.", "quiet");
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  private async replayEdits(
    call: Summary,
    hold: HoldDetail,
    texts: HoldTexts,
    original: HoldTexts,
  ): Promise<ReplayEdits | null> {
    if (hold.point === "request-metadata")
      return texts.metadata === null || texts.metadata === original.metadata ? {} : { metadata: texts.metadata };
    if (hold.point === "start") return texts.deadline === original.deadline ? {} : { deadline: texts.deadline };
    if (hold.point !== "request-message") return hold.point === "half-close" ? {} : null;
    if (texts.json === null || texts.json === original.json) return {};
    const { messages } = await api.messages(call.id, 0, MAX_SEARCHED);
    const requests = messages.filter(({ direction }) => direction === "request");
    const list: string[] = [];
    for (const { index } of requests) {
      const text = list.length === hold.index ? texts.json : (await api.message(call.id, index, true)).json_text;
      list.push(text ?? "{}");
    }
    if (hold.index >= list.length) list.push(texts.json);
    return list.length === 1
      ? { text: texts.json, single: true }
      : { text: `[\n${list.map((text) => formatJson(text)).join(",\n")}\n]`, single: false };
  }

  async removeBreakpoint(name: string): Promise<void> {
    await this.attempt(this.holding.remove(name));
  }

  async switchBreakpoint(name: string, enabled: boolean): Promise<void> {
    await this.attempt(this.holding.switch(enabled, name));
  }

  private async attempt(change: Promise<void>): Promise<void> {
    try {
      await change;
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  close(): void {
    this.inspector.navigate(CLOSED, { jump: true });
  }

  /** Open a call. In a window where the drawer would cover it, the drawer closes; Back returns to it. */
  showCall(id: number): void {
    const acting = this.inspector.route.acting && innerWidth >= BESIDE_FROM;
    this.inspector.navigate({ call: id, tab: "messages", ...(acting ? {} : CLOSED) }, { jump: true });
  }

  /** A new rule or fault in the editor. */
  create(kind: RuleKind): void {
    this.edit(this.drafts.create({ kind, text: emptyRule(kind, this.names) }));
  }

  /** Copy the text of any rule, of a file too, into a new one. */
  async duplicate(name: string): Promise<void> {
    const rule = this.rules.find(name);
    if (rule === undefined) return;
    try {
      const { json } = await api.ruleText(name);
      const text = tableText(json);
      this.edit(this.drafts.create({ kind: rule.kind, text }));
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  /**
   * A new rule on the calls of this call's method in the editor, with the JSON of the message of this index; without
   * one, of the first response, or else with the status.
   */
  async createFromCall(id: number | null = this.inspector.current, index: number | null = null): Promise<void> {
    if (id === null) return this.inspector.notices.show("Select a call first (j, k).", "quiet");
    if (this.unavailable !== "") return this.inspector.notices.show(this.unavailable, "quiet");
    try {
      const detail = await api.call(id);
      const text = await this.template(detail, index);
      this.edit(this.drafts.create({ kind: "rule", text, terms: metadataTerms(detail.metadata.request) }));
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  private async template(call: Summary, index: number | null): Promise<string> {
    const failed = call.status !== null && call.status.code !== 0;
    if (index === null && (failed || call.messages[1] === 0)) return ruleFromStatus(call, this.names);
    const { messages } = await api.messages(call.id, 0, MAX_SEARCHED);
    const row = messages.find((message) =>
      index === null ? message.direction === "response" : message.index === index,
    );
    const direction =
      row?.direction ?? (index === null ? "response" : (await api.message(call.id, index, false)).direction);
    const { json_text: text } = await api.message(call.id, index ?? row?.index ?? 0, true);
    if (text === null)
      this.inspector.notices.show("The message could not be decoded: the rule starts with a delay instead.", "quiet");
    return ruleFromMessage(call, { direction, number: numberOf(messages, index), text }, this.names);
  }

  /** Add a fault on the method of a call at once. */
  async addFault(call: Summary, what: "status" | "delay"): Promise<void> {
    if (this.unavailable !== "") return this.inspector.notices.show(this.unavailable, "quiet");
    const text = faultOf(call, what, this.names);
    const name = (JSON.parse(text) as { name: string }).name;
    try {
      await this.rules.add("fault", text);
      this.inspector.notices.show(`Fault “${name}” acts on new calls.`, "warn", {
        label: "Show",
        run: () => this.edit(name),
      });
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  /** Add a new rule, or replace the one of that name. Returns why it could not be saved, or null. */
  async save(key: string, kind: RuleKind, text: string, isNew: boolean): Promise<ApiError | null> {
    try {
      if (isNew) await this.rules.add(kind, text);
      else await this.rules.replace(key, kind, text);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return error;
    }
    this.drafts.discard(key);
    this.showList();
    return null;
  }

  /** Remove a rule that was added; its text stays as a draft for an undo. */
  async remove(name: string): Promise<void> {
    const rule = this.rules.find(name);
    if (rule === undefined) return;
    try {
      const text = tableText((await api.ruleText(name)).json);
      await this.rules.remove(name);
      this.drafts.discard(name);
      if (this.inspector.route.rule === name) this.showList();
      this.inspector.notices.show(`Removed ${rule.kind} “${name}”.`, "ok", {
        label: "Undo",
        run: () => void this.restore(rule.kind, text),
      });
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  private async restore(kind: RuleKind, text: string): Promise<void> {
    try {
      await this.rules.add(kind, text);
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  async switchOne(name: string, enabled: boolean): Promise<void> {
    try {
      await this.rules.switchOne(name, enabled);
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  async switchAll(enabled: boolean): Promise<void> {
    try {
      // A rule that is added later acts at once, so that nothing is switched off where there is none.
      if (enabled || this.rules.names.length > 0) await this.rules.switchAll(enabled);
      const points = this.holding.breakpoints?.breakpoints.length ?? 0;
      if (points > 0) await this.holding.switch(enabled);
      const what = points > 0 ? "Rules, faults and breakpoints" : "Rules and faults";
      this.inspector.notices.show(
        enabled ? `${what} act on new calls again.` : `${what} are off: new calls are forwarded unaltered.`,
      );
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  /** Copy all rules that were added here, or one of any source, to keep them in a file. */
  async copy(format: "toml" | "json", name?: string): Promise<void> {
    try {
      const text = (await api.ruleText(name))[format];
      if (text === "")
        return this.inspector.notices.show("A value is null, which TOML does not have: copy as JSON.", "quiet");
      await this.inspector.copy(text, `${name === undefined ? "rules" : `“${name}”`} as ${format.toUpperCase()}`);
    } catch (error) {
      this.inspector.reportError(error);
    }
  }

  private get names(): readonly string[] {
    const drafts = this.drafts.unsaved.map(([, { text }]) => nameOf(text));
    return [...this.rules.names, ...drafts];
  }
}

/** The number of a message among those of its direction; null, for all of them, where it is not known. */
function numberOf(messages: readonly MessageRow[], index: number | null): number | null {
  const row = messages.find((message) => message.index === index);
  if (row === undefined) return null;
  return messages.filter((other) => other.index < row.index && other.direction === row.direction).length;
}

/** The name in the JSON text of a rule, or "". */
export function nameOf(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("name" in value)) return "";
    return typeof value.name === "string" ? value.name : "";
  } catch {
    return /"name"\s*:\s*"([^"\\]*)"/.exec(text)?.[1] ?? "";
  }
}

/** The text of the only rule in the JSON of a file, with every digit as it is there. */
export function tableText(json: string): string {
  // The file is {"rule": [ {…} ]}, indented by two for each level: the table is what is within the brackets.
  const from = json.indexOf("[") + 1;
  const lines = json.slice(from, json.lastIndexOf("]")).trim().split("\n");
  return lines.map((line) => line.replace(/^ {4}/, "")).join("\n");
}
