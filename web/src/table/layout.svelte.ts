/** Which columns a person wants, and how wide: remembered by the browser. */

import type { ColumnId } from "../state/order";
import { remember, remembered } from "../state/preferences";
import { COLUMNS, fitting, type Widths } from "./columns";

const isRecord = (value: unknown): value is Record<string, number> =>
  typeof value === "object" && value !== null && Object.values(value).every((one) => typeof one === "number");
const isIds = (value: unknown): value is ColumnId[] => Array.isArray(value);

const WIDEST = 800;

export class TableLayout {
  widths = $state.raw<Widths>(remembered("widths", {}, isRecord));
  hidden = $state.raw<readonly ColumnId[]>(remembered("hidden", [], isIds));
  /** Px that the table has; until it is laid out, what it can have at most. */
  available = $state(innerWidth);
  shown = $derived(fitting(this.wanted, this.widths, this.available));

  get wanted() {
    return COLUMNS.filter(({ id }) => !this.hidden.includes(id));
  }

  toggle(id: ColumnId): void {
    if (id === "method") return; // a row has to say what it is
    this.hidden = this.hidden.includes(id) ? this.hidden.filter((one) => one !== id) : [...this.hidden, id];
    remember("hidden", this.hidden);
  }

  resize(id: ColumnId, width: number): void {
    const column = COLUMNS.find((one) => one.id === id);
    if (column === undefined) return;
    this.widths = { ...this.widths, [id]: Math.round(Math.min(WIDEST, Math.max(column.min, width))) };
    remember("widths", this.widths);
  }

  reset(): void {
    this.widths = {};
    this.hidden = [];
    remember("widths", {});
    remember("hidden", []);
  }
}
