/**
 * The rows of a call's messages: the messages, the half-close among them, what was dropped, and the
 * trailers at the end. Pure; a call of a million messages is a handful of spans.
 */

export type TimelineItem =
  | { readonly kind: "message"; readonly index: number }
  | { readonly kind: "half-close" }
  | { readonly kind: "dropped"; readonly from: number; readonly count: number }
  | { readonly kind: "trailers" };

export interface TimelineShape {
  readonly total: number;
  /** How many messages had passed when the client half-closed, or null. */
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

  /** The row of a message; of the gap, if it was dropped. */
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

/** Rows of one list: browsers cannot lay out more than some 17 million px. The rail moves the window. */
export const WINDOW = 400_000;
