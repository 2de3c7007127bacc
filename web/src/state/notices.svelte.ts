/** Short notifications, also announced to screen readers. `ok` is for what succeeded, `quiet` for a remark. */

import type { Tone } from "../format/status";

export interface Action {
  readonly label: string;
  readonly run: () => void;
}

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly hint: string;
  readonly tone: Tone;
  readonly action: Action | undefined;
}

const SHOWN_MS = 5_000;
const ERROR_SHOWN_MS = 12_000;

export class Notices {
  list = $state.raw<readonly Notice[]>([]);
  private lastId = 0;

  show(text: string, tone: Tone = "ok", action?: Action, hint = ""): void {
    const id = (this.lastId += 1);
    this.list = [...this.list.slice(-2), { id, text, hint, tone, action }];
    setTimeout(() => this.dismiss(id), tone === "bad" ? ERROR_SHOWN_MS : SHOWN_MS);
  }

  dismiss(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}
