/** Visible columns and their widths, saved as preferences. */

import type { ColumnId } from "../state/sort-order";
import { savePreference, loadPreference } from "../state/preferences";
import { COLUMNS, fitColumns, type Widths } from "./columns";

const isRecord = (value: unknown): value is Record<string, number> =>
  typeof value === "object" && value !== null && Object.values(value).every((width) => typeof width === "number");
const isIds = (value: unknown): value is ColumnId[] => Array.isArray(value);

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";

const WIDEST = 800;
export const ROW = 28;
const DENSE_ROW = 22;

export class TableLayout {
  widths = $state.raw<Widths>(loadPreference("widths", {}, isRecord));
  hidden = $state.raw<readonly ColumnId[]>(loadPreference("hidden", [], isIds));
  /** Width of the table in px; before layout an upper bound. */
  available = $state(innerWidth);
  /** Rows of 22 px, without lines. */
  dense = $state(loadPreference("dense", false, isBoolean));
  rowHeight = $derived(this.dense ? DENSE_ROW : ROW);
  /** Whether the calls are of more than one client; set by the table. */
  severalPeers = $state(false);
  /** Columns that are shown although they would hide themselves. */
  private forced = $state.raw<readonly ColumnId[]>(loadPreference("forced", [], isIds));
  fit = $derived(fitColumns(this.enabledColumns, this.widths, this.available));
  visibleColumns = $derived(this.fit.columns);

  get enabledColumns() {
    return COLUMNS.filter(({ id }) => this.isEnabled(id));
  }

  isEnabled(id: ColumnId): boolean {
    return !this.hidden.includes(id) && !this.isAutoHidden(id);
  }

  /** The peer says nothing while there is only one. */
  isAutoHidden(id: ColumnId): boolean {
    return id === "peer" && !this.severalPeers && !this.forced.includes(id) && !this.hidden.includes(id);
  }

  setDense(dense: boolean): void {
    this.dense = dense;
    savePreference("dense", dense);
  }

  toggle(id: ColumnId): void {
    if (id === "method") return; // always shown
    if (this.isAutoHidden(id)) {
      this.forced = [...this.forced, id];
      savePreference("forced", this.forced);
      return;
    }
    this.hidden = this.hidden.includes(id) ? this.hidden.filter((hiddenId) => hiddenId !== id) : [...this.hidden, id];
    savePreference("hidden", this.hidden);
  }

  resize(id: ColumnId, width: number): void {
    const column = COLUMNS.find((candidate) => candidate.id === id);
    if (column === undefined) return;
    this.widths = { ...this.widths, [id]: Math.round(Math.min(WIDEST, Math.max(column.min, width))) };
    savePreference("widths", this.widths);
  }

  reset(): void {
    this.widths = {};
    this.hidden = [];
    this.forced = [];
    savePreference("forced", []);
    savePreference("widths", {});
    savePreference("hidden", []);
  }
}
