/**
 * Unsent edits of replays by call, kept in the tab's session storage: they survive other tabs, other calls, a reload
 * and the eviction of the call.
 */

import { type CallIdentity, isEdited, type ReplayEdits } from "./replay-draft";

const PREFIX = "loom.draft.";
const MAX_DRAFTS = 50;
/** Delay of writing to the storage, so that typing in a large message does not write it at each key. */
const SAVE_MS = 250;

const keyOf = ({ id, started_us }: CallIdentity): string => `${id}.${started_us}`;

export class Drafts {
  private revision = $state(0);
  /** In order of their last change. */
  private readonly drafts = new Map<string, ReplayEdits>();
  private readonly unsaved = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    for (const [key, draft] of storedDrafts()) this.drafts.set(key, draft);
  }

  /** Write what has not been written yet, when the page is left. */
  start(): () => void {
    const save = () => this.save();
    window.addEventListener("pagehide", save);
    return () => window.removeEventListener("pagehide", save);
  }

  get(call: CallIdentity): ReplayEdits | null {
    void this.revision;
    return this.drafts.get(keyOf(call)) ?? null;
  }

  /** The newest edits of a call of which only the number is known. */
  find(id: number): ReplayEdits | null {
    void this.revision;
    return [...this.drafts].reverse().find(([key]) => key.startsWith(`${id}.`))?.[1] ?? null;
  }

  /** Replace the edits of a call; null, or edits that change nothing, discard them. */
  put(call: CallIdentity, edits: ReplayEdits | null): void {
    const key = keyOf(call);
    const existed = this.drafts.delete(key);
    const edited = edits !== null && isEdited(edits);
    if (!existed && !edited) return;
    if (edited) this.drafts.set(key, edits);
    this.unsaved.add(key);
    for (const oldest of this.drafts.keys()) {
      if (this.drafts.size <= MAX_DRAFTS) break;
      this.drafts.delete(oldest);
      this.unsaved.add(oldest);
    }
    this.revision += 1;
    this.timer ??= setTimeout(() => this.save(), SAVE_MS);
  }

  private save(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const key of this.unsaved) {
      const draft = this.drafts.get(key);
      try {
        if (draft === undefined) sessionStorage.removeItem(PREFIX + key);
        else sessionStorage.setItem(PREFIX + key, JSON.stringify(draft));
      } catch {
        // No storage, or it is full: the draft lasts until the page is closed.
      }
    }
    this.unsaved.clear();
  }
}

function storedDrafts(): [string, ReplayEdits][] {
  const drafts: [string, ReplayEdits][] = [];
  try {
    for (let at = 0; at < sessionStorage.length; at++) {
      const name = sessionStorage.key(at);
      if (!name?.startsWith(PREFIX)) continue;
      const draft: unknown = JSON.parse(sessionStorage.getItem(name) ?? "null");
      if (typeof draft === "object" && draft !== null) drafts.push([name.slice(PREFIX.length), draft]);
    }
  } catch {
    // No storage, or not written by this page.
  }
  return drafts;
}
