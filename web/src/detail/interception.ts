/** What rules and faults did to a call, in words, and what went on in the place of what came. Pure. */

import type { CallDetail, Interception, MetadataItem } from "../api/types";
import { formatDuration, pluralize } from "../format/units";

const POINTS: Readonly<Record<Interception["point"], string>> = {
  start: "start",
  "request-metadata": "request metadata",
  "request-message": "request message",
  "half-close": "half-close",
  "response-metadata": "initial metadata",
  "response-message": "response message",
  status: "status",
};

const isMessage = ({ point }: Interception): boolean => point === "request-message" || point === "response-message";

/** "response message 2": messages are counted from 1, as in rules. */
export function describePoint(item: Interception): string {
  return isMessage(item) ? `${POINTS[item.point]} ${item.index + 1}` : POINTS[item.point];
}

/** "rule louder: set text; fault f: delay 1s (held for 1.00 s)". */
export function describeActions(item: Interception): string {
  const actions = item.actions.map(({ kind, name, effect }) => `${kind} ${name}: ${effect}`).join("; ");
  return item.held_us >= 1_000 ? `${actions} (held for ${formatDuration(item.held_us)})` : actions;
}

/** The names of what altered a call: "rule louder, fault --fault 1". */
export function describeCulprits(items: readonly Interception[]): string {
  const names = items.flatMap(({ actions }) => actions.map(({ kind, name }) => `${kind} ${name}`));
  return [...new Set(names)].join(", ");
}

/** What an item's line says of what went on where there is nothing to compare. */
export function describeOutcome(item: Interception): string {
  if (!item.altered) return "It went on as it came.";
  if (item.count === 0) return "Nothing went on in its place.";
  return isMessage(item) ? `${pluralize(item.count, "message")} went on in its place.` : "Something else went on.";
}

/** The metadata that went on in the place of what came, or null if it was not seen. */
export function forwardedMetadata(item: Interception, detail: CallDetail): readonly MetadataItem[] | null {
  const { request, initial, trailing } = detail.metadata;
  if (item.point === "request-metadata") return request;
  return item.point === "response-metadata" ? initial : trailing;
}

const line = ({ key, value }: MetadataItem): string => `${key}: ${value}`;

/** Lines of metadata, each with whether the other block lacks it. */
export function metadataLines(
  items: readonly MetadataItem[],
  other: readonly MetadataItem[] | null,
): readonly { readonly text: string; readonly differs: boolean }[] {
  const others = new Set(other?.map(line));
  return items.map((item) => ({ text: line(item), differs: !others.has(line(item)) }));
}
