/** What the rules and faults do now, in words. Pure. */

import type { Breakpoint, Rules, RuleState } from "../api/types";
import { formatDuration, formatNumber, pluralize } from "../format/units";

/** Whether a rule may act on calls that start now, the switch of all of them apart. */
const isOn = (rule: RuleState): boolean => rule.enabled && !rule.expired;

/** "2 rules, 1 fault" of those that may act; "" if there are none. */
export function countRules(rules: readonly RuleState[]): string {
  const active = rules.filter(isOn);
  const faults = active.filter(({ kind }) => kind === "fault").length;
  const others = active.length - faults;
  return [...(others > 0 ? [pluralize(others, "rule")] : []), ...(faults > 0 ? [pluralize(faults, "fault")] : [])].join(
    ", ",
  );
}

/** What the top bar says, and whether traffic is altered; null if nothing could act. */
export function describeRules(
  rules: Rules | null,
  breakpoints: readonly Pick<Breakpoint, "enabled">[] = [],
): { readonly text: string; readonly altering: boolean } | null {
  if (rules === null) return null;
  const count = countRules(rules.rules);
  const armed = countBreakpoints(breakpoints.filter(({ enabled }) => enabled).length);
  if (count !== "" && rules.enabled)
    return { text: `altering traffic: ${count}${armed === "" ? "" : `, ${armed}`}`, altering: true };
  if (armed !== "") return { text: `holding: ${armed}`, altering: true };
  const off = [count, countBreakpoints(breakpoints.length)].filter((part) => part !== "");
  if (off.length > 0) return { text: `off: ${off.join(", ")}`, altering: false };
  return rules.problem === "" ? null : { text: "rules cannot be used", altering: false };
}

const countBreakpoints = (count: number): string => (count > 0 ? pluralize(count, "breakpoint") : "");

/** What a rule does, without its name: "On method:Chat: set text (response-message)". */
export function describeEffect({ kind, name, description }: RuleState): string {
  const at = description.indexOf(": on ", kind.length + name.length);
  return at < 0 ? description : description.slice(at + 2).replace(/^o/, "O");
}

/** Where a rule comes from: "rules.toml:12", "--fault", or "" for one that was added here. */
export function describeOrigin({ source, path, line }: RuleState): string {
  if (source === "file") return line > 0 ? `${path}:${line}` : path;
  return source === "flag" ? "--fault" : "";
}

/** When a rule turns itself off: "off in 9 min"; "" if it does not. */
export function describeExpiry({ expires_in_s: left, expired }: RuleState): string {
  if (left === null) return "";
  return expired ? "expired: switch it on to begin again" : `off in ${formatDuration(left * 1e6)}`;
}

/** What one rule did: hits, failures, and why it does nothing now. */
export function describeHits(rule: RuleState): string {
  const parts = [`acted on ${formatNumber(rule.acted)} of ${pluralize(rule.matched, "matching call")}`];
  if (rule.overflow > 0) parts.push(`passed ${formatNumber(rule.overflow)} over its limit`);
  if (rule.failures > 0) parts.push(`failed ${pluralize(rule.failures, "time")}: ${rule.last_error}`);
  if (!rule.enabled) parts.push("off");
  else if (rule.expired) parts.push("expired");
  return parts.join(" · ");
}
