/** Visible columns and their widths, saved as preferences. */

import type { ColumnId } from "../state/sort-order";
import { savePreference, loadPreference } from "../state/preferences";
import { COLUMNS, fitColumns, type Widths } from "./columns";

const isRecord = (value: unknown): value is Record<string, number> =>
  typeof value === "object" && value !== null && Object.values(value).every((width) => typeof width === "number");
const isIds = (value: unknown): value is ColumnId[] => Array.isArray(value);

const WIDEST = 800;

export class TableLayout {
  widths = $state.raw<Widths>(loadPreference("widths", {}, isRecord));
  hidden = $state.raw<readonly ColumnId[]>(loadPreference("hidden", [], isIds));
  /** Width of the table in px; before layout an upper bound. */
  available = $state(innerWidth);
  visibleColumns = $derived(fitColumns(this.enabledColumns, this.widths, this.available));

  get enabledColumns() {
    return COLUMNS.filter(({ id }) => !this.hidden.includes(id));
  }

  toggle(id: ColumnId): void {
    if (id === "method") return; // always shown
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
    savePreference("widths", {});
    savePreference("hidden", []);
  }
}
