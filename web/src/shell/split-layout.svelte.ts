/** Division of the window between table and detail pane: side by side if wide, else stacked. */

import { savePreference, loadPreference } from "../state/preferences";

/** From this width of the window on, in px, the detail pane is beside the table. */
export const BESIDE_FROM = 1100;
const MIN_DETAIL = { beside: 360, below: 140 } as const;
const MIN_TABLE = { beside: 320, below: 90 } as const;
const isShare = (value: unknown): value is number => typeof value === "number" && value > 0 && value < 1;

export class SplitLayout {
  width = $state(0);
  height = $state(0);
  private shareBeside = $state(loadPreference("split.beside", 0.5, isShare));
  private shareBelow = $state(loadPreference("split.below", 0.58, isShare));
  beside = $derived(this.width >= BESIDE_FROM);
  room = $derived(this.beside ? this.width : this.height);
  min = $derived(this.beside ? MIN_DETAIL.beside : MIN_DETAIL.below);
  max = $derived(Math.max(this.min, this.room - (this.beside ? MIN_TABLE.beside : MIN_TABLE.below)));
  /** Size of the detail pane in px. */
  size = $derived(
    Math.round(Math.min(this.max, Math.max(this.min, this.room * (this.beside ? this.shareBeside : this.shareBelow)))),
  );

  resize(size: number): void {
    if (this.room <= 0) return;
    const share = Math.min(0.95, Math.max(0.05, Math.min(this.max, Math.max(this.min, size)) / this.room));
    if (this.beside) this.shareBeside = share;
    else this.shareBelow = share;
    savePreference(this.beside ? "split.beside" : "split.below", share);
  }
}
