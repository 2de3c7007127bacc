/** The minimap of a stream: message counts per column of time, computed from samples. Pure. */

import type { StreamSamples } from "../api/types";

export type MessageSample = StreamSamples["samples"][number];

export interface MinimapColumn {
  readonly up: number;
  readonly down: number;
  /** Index of the first message at or after the column's time. */
  readonly index: number;
}

export interface Minimap {
  readonly columns: readonly MinimapColumn[];
  /** The largest count of one column and direction, at least 1. */
  readonly peak: number;
}

/**
 * Count messages per column. A sample stands for all messages up to the next sample, so that evenly spaced samples
 * of a long stream give its density. `from` and `to` are the ends of the time scale, in µs.
 */
export function buildMinimap(
  samples: readonly MessageSample[],
  total: number,
  from: number,
  to: number,
  count: number,
): Minimap {
  const span = Math.max(1, to - from);
  const up = new Array<number>(count).fill(0);
  const down = new Array<number>(count).fill(0);
  const first = new Array<number>(count).fill(-1);
  samples.forEach(([index, time, direction], at) => {
    const column = columnAt(time, from, span, count);
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

export const columnAt = (time: number, from: number, span: number, count: number): number =>
  Math.max(0, Math.min(count - 1, Math.floor(((time - from) / span) * count)));
