/** What a dry run found, in words. Pure. */

import type { Change, RuleTrialResult, TriedItem } from "../api/types";
import { formatDuration, formatNumber, pluralize } from "../format/units";

const MAX_VALUE = 120;

/** "would have acted on 2 of 10 calls in memory". */
export function describeTrial({ acted, matched, tried }: RuleTrialResult): string {
  if (tried === 0) return "No calls in memory to try it on.";
  const of = `of the ${pluralize(tried, "call")} in memory`;
  if (matched === 0) return `Matches none ${of}.`;
  if (acted === matched) return `Would have acted on ${formatNumber(acted)} ${of}.`;
  return `Would have acted on ${formatNumber(acted)} ${of}; ${formatNumber(matched)} match.`;
}

/** "response message 2": messages are counted from 1, as in faults. */
export function itemPlace({ point, index }: TriedItem): string {
  const place = point === "half-close" ? point : point.replace("-", " ");
  return point.endsWith("-message") ? `${place} ${index + 1}` : place;
}

/** What would have been done: the effects, and what goes on. */
export function outcome(item: TriedItem): string {
  const parts = [item.effects.join("; ")];
  if (item.ends_with !== null) parts.push(`the call ends with ${item.ends_with.name}`);
  else if (item.never) parts.push("nothing goes on");
  else if (item.count === 0) parts.push("does not go on");
  else if (item.count > 1) parts.push(`${pluralize(item.count, "item")} go on`);
  if (item.delay_us > 0) parts.push(`after ${formatDuration(item.delay_us)}`);
  return parts.filter((part) => part !== "").join(" → ");
}

export interface ChangeLine {
  readonly path: string;
  readonly left: string | null;
  readonly right: string | null;
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "";
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text;
};

export const changeLines = ({ changes }: TriedItem): ChangeLine[] =>
  changes.map(({ path, kind, left, right }: Change) => ({
    path,
    left: kind === "added" ? null : show(left),
    right: kind === "removed" ? null : show(right),
  }));
