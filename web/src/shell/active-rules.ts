/** What the rules and faults do now, in words. Pure. */

import type { Rules, RuleState } from "../api/types";
import { formatNumber, pluralize } from "../format/units";

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
export function describeRules(rules: Rules | null): { readonly text: string; readonly altering: boolean } | null {
  const count = countRules(rules?.rules ?? []);
  if (rules === null || (count === "" && rules.problem === "")) return null;
  if (count === "") return { text: "rules cannot be used", altering: false };
  return rules.enabled
    ? { text: `altering traffic: ${count}`, altering: true }
    : { text: `off: ${count}`, altering: false };
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
