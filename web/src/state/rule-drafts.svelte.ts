/**
 * Unsaved edits of rules, and new rules that have not been added: kept in the tab's session storage, so that they
 * survive the list, other calls, Back and a reload.
 */

import type { RuleKind } from "../acting/rule-template";

const STORE = "loom.rule-drafts";
const MAX_DRAFTS = 20;
const SAVE_MS = 250;
const NEW = /^new:(\d+)$/;

export interface RuleDraft {
  readonly kind: RuleKind;
  /** The JSON of the rule, as typed. */
  readonly text: string;
  /** Terms that can be added to its `match`, of the call that it came from. */
  readonly terms?: readonly string[];
}

export const isNewKey = (key: string): boolean => NEW.test(key);

export class RuleDrafts {
  private revision = $state(0);
  /** By the name of the rule, or `new:N`; in order of their last change. */
  private readonly drafts = new Map<string, RuleDraft>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    for (const [key, draft] of stored()) this.drafts.set(key, draft);
  }

  /** Write what has not been written yet, when the page is left. */
  start(): () => void {
    const save = () => this.save();
    window.addEventListener("pagehide", save);
    return () => window.removeEventListener("pagehide", save);
  }

  get(key: string): RuleDraft | null {
    void this.revision;
    return this.drafts.get(key) ?? null;
  }

  /** New rules that have not been added, the latest first. */
  get unsaved(): readonly (readonly [string, RuleDraft])[] {
    void this.revision;
    return [...this.drafts].filter(([key]) => isNewKey(key)).reverse();
  }

  /** Keep a new rule, and return its key; one with the same text is not kept twice. */
  create(draft: RuleDraft): string {
    const same = [...this.drafts].find(([key, { text }]) => isNewKey(key) && text === draft.text);
    if (same !== undefined) return same[0];
    const numbers = [...this.drafts.keys()].map((key) => Number(NEW.exec(key)?.[1] ?? 0));
    const key = `new:${Math.max(0, ...numbers) + 1}`;
    this.put(key, draft);
    return key;
  }

  put(key: string, draft: RuleDraft): void {
    this.drafts.delete(key);
    this.drafts.set(key, draft);
    for (const oldest of this.drafts.keys()) {
      if (this.drafts.size <= MAX_DRAFTS) break;
      this.drafts.delete(oldest);
    }
    this.changed();
  }

  discard(key: string): void {
    if (this.drafts.delete(key)) this.changed();
  }

  private changed(): void {
    this.revision += 1;
    this.timer ??= setTimeout(() => this.save(), SAVE_MS);
  }

  private save(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    try {
      sessionStorage.setItem(STORE, JSON.stringify([...this.drafts]));
    } catch {
      // No storage, or it is full: the drafts last until the page is closed.
    }
  }
}

const isDraft = (value: unknown): value is RuleDraft =>
  typeof value === "object" && value !== null && "text" in value && typeof value.text === "string";

function stored(): [string, RuleDraft][] {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(STORE) ?? "[]");
    if (!Array.isArray(value)) return [];
    return value.filter(
      (item): item is [string, RuleDraft] => Array.isArray(item) && typeof item[0] === "string" && isDraft(item[1]),
    );
  } catch {
    return [];
  }
}
