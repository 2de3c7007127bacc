/** The rows of the message list: messages, half-close, dropped messages, trailers; stored as a few spans. Pure. */

export type TimelineItem =
  | { readonly kind: "message"; readonly index: number }
  | { readonly kind: "half-close" }
  | { readonly kind: "dropped"; readonly from: number; readonly count: number }
  | { readonly kind: "trailers" };

export interface TimelineShape {
  readonly total: number;
  /** Number of messages before the client's half-close, or null. */
  readonly halfClosedAfter: number | null;
  /** Dropped indices `[from, to)`. */
  readonly gap: readonly [number, number] | null;
  readonly ended: boolean;
}

interface Span {
  readonly start: number;
  readonly length: number;
  readonly item: (at: number) => TimelineItem;
}

export class Timeline {
  readonly length: number;
  private readonly spans: Span[] = [];

  constructor({ total, halfClosedAfter, gap, ended }: TimelineShape) {
    let at = 0;
    const add = (length: number, item: (at: number) => TimelineItem) => {
      if (length > 0) this.spans.push({ start: at, length, item });
      at += Math.max(0, length);
    };
    const messages = (from: number, to: number) =>
      add(to - from, (index) => ({ kind: "message", index: from + index }));
    const cuts: { at: number; put: () => void; resume: number }[] = [];
    if (gap !== null && gap[1] > gap[0]) {
      const [from, to] = gap;
      cuts.push({ at: from, put: () => add(1, () => ({ kind: "dropped", from, count: to - from })), resume: to });
    }
    if (halfClosedAfter !== null) {
      const place = Math.min(halfClosedAfter, total);
      const inGap = gap !== null && place > gap[0] && place < gap[1];
      const where = inGap ? gap[1] : place;
      cuts.push({ at: where, put: () => add(1, () => ({ kind: "half-close" })), resume: where });
    }
    let from = 0;
    for (const { at: place, put, resume } of cuts.sort((a, b) => a.at - b.at || a.resume - b.resume)) {
      messages(from, place);
      put();
      from = Math.max(from, resume);
    }
    messages(from, total);
    if (ended) add(1, () => ({ kind: "trailers" }));
    this.length = at;
  }

  item(at: number): TimelineItem | null {
    const span = this.spans.find(({ start, length }) => at >= start && at < start + length);
    return span === undefined ? null : span.item(at - span.start);
  }

  /** The row of a message, or of the gap if it was dropped. */
  rowOf(index: number): number {
    for (const { start, length, item } of this.spans) {
      const first = item(0);
      if (first.kind === "message" && index >= first.index && index < first.index + length) {
        return start + index - first.index;
      }
      if (first.kind === "dropped" && index >= first.from && index < first.from + first.count) return start;
    }
    return Math.max(0, this.length - 1);
  }
}

/** Maximum number of rows in one list: browsers limit the height of an element to about 17 million px. */
export const MAX_ROWS = 400_000;
