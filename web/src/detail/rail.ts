/** A stream over its time, from samples of its messages: columns of a chart, and back to a message. Pure. */

export type Sample = readonly [index: number, timeUs: number, direction: 0 | 1, size: number];

export interface RailColumn {
  readonly up: number;
  readonly down: number;
  /** The first message at or after this column's time. */
  readonly index: number;
}

export interface RailShape {
  readonly columns: readonly RailColumn[];
  /** The largest count of one column and direction, at least 1. */
  readonly peak: number;
}

/**
 * Counts by column: each sample stands for the messages up to the next one, so that evenly spaced samples of
 * a long stream give its density. `from` and `to` are the ends of the time scale, in µs.
 */
export function railOf(samples: readonly Sample[], total: number, from: number, to: number, count: number): RailShape {
  const span = Math.max(1, to - from);
  const up = new Array<number>(count).fill(0);
  const down = new Array<number>(count).fill(0);
  const first = new Array<number>(count).fill(-1);
  samples.forEach(([index, time, direction], at) => {
    const column = columnOf(time, from, span, count);
    const weight = (samples[at + 1]?.[0] ?? total) - index;
    const side = direction === 0 ? up : down;
    side[column] = (side[column] ?? 0) + Math.max(1, weight);
    if (first[column] === -1) first[column] = index;
  });
  let following = Math.max(0, total - 1);
  for (let at = count - 1; at >= 0; at--) {
    if (first[at] === -1) first[at] = following;
    else following = first[at] as number;
  }
  const columns = up.map((value, at) => ({ up: value, down: down[at] ?? 0, index: first[at] ?? 0 }));
  return { columns, peak: Math.max(1, ...up, ...down) };
}

export const columnOf = (time: number, from: number, span: number, count: number): number =>
  Math.max(0, Math.min(count - 1, Math.floor(((time - from) / span) * count)));
