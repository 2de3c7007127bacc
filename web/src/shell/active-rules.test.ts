import { describe, expect, test } from "vitest";
import type { Rules, RuleState } from "../api/types";
import { describeHits, describeRules } from "./active-rules";

const rule = (changes: Partial<RuleState> = {}): RuleState => ({
  name: "louder",
  kind: "rule",
  match: "method:Chat",
  description: "rule 'louder': on method:Chat: set text",
  enabled: true,
  expired: false,
  matched: 0,
  selected: 0,
  acted: 0,
  active: 0,
  overflow: 0,
  failures: 0,
  last_error: "",
  source: "file",
  path: "rules.toml",
  line: 1,
  expires_in_s: null,
  ...changes,
});

const rules = (states: readonly RuleState[], changes: Partial<Rules> = {}): Rules => ({
  enabled: true,
  acting: states.length,
  seed: 1,
  problem: "",
  warnings: [],
  rules: states,
  ...changes,
});

describe("the rules in the top bar", () => {
  test("are counted by kind", () => {
    expect(describeRules(rules([rule(), rule(), rule({ kind: "fault" })]))).toEqual({
      text: "altering traffic: 2 rules, 1 fault",
      altering: true,
    });
    expect(describeRules(rules([rule({ kind: "fault" })]))?.text).toBe("altering traffic: 1 fault");
  });
  test("do not count what is off or has expired", () => {
    expect(describeRules(rules([rule(), rule({ enabled: false }), rule({ expired: true })]))?.text).toBe(
      "altering traffic: 1 rule",
    );
  });
  test("stay in sight when all are switched off", () => {
    expect(describeRules(rules([rule()], { enabled: false }))).toEqual({ text: "off: 1 rule", altering: false });
  });
  test("are not mentioned where there are none", () => {
    expect(describeRules(null)).toBeNull();
    expect(describeRules(rules([]))).toBeNull();
    expect(describeRules(rules([rule({ expired: true })]))).toBeNull();
    expect(describeRules(rules([], { problem: "rules.toml: not valid" }))?.text).toBe("rules cannot be used");
  });
});

describe("breakpoints in the top bar", () => {
  const [on, off] = [{ enabled: true }, { enabled: false }];
  test("are counted beside the rules", () => {
    expect(describeRules(rules([rule()]), [on, on, off])).toEqual({
      text: "altering traffic: 1 rule, 2 breakpoints",
      altering: true,
    });
  });
  test("are said alone, also while the rules are off", () => {
    expect(describeRules(rules([]), [on])).toEqual({ text: "holding: 1 breakpoint", altering: true });
    expect(describeRules(rules([rule()], { enabled: false }), [on])?.text).toBe("holding: 1 breakpoint");
  });
  test("stay in sight when all are switched off", () => {
    expect(describeRules(rules([rule()], { enabled: false }), [off])).toEqual({
      text: "off: 1 rule, 1 breakpoint",
      altering: false,
    });
    expect(describeRules(rules([]), [off])).toEqual({ text: "off: 1 breakpoint", altering: false });
  });
  test("do not hide a file of rules that is not valid", () => {
    expect(describeRules(rules([], { problem: "rules.toml: not valid" }), [])?.text).toBe("rules cannot be used");
  });
});

test("a rule says what it did and why it does nothing", () => {
  expect(describeHits(rule({ matched: 12, acted: 5 }))).toBe("acted on 5 of 12 matching calls");
  expect(describeHits(rule({ matched: 1, acted: 1, expired: true }))).toBe("acted on 1 of 1 matching call · expired");
  expect(describeHits(rule({ failures: 1, last_error: "no schema", overflow: 2, enabled: false }))).toBe(
    "acted on 0 of 0 matching calls · passed 2 over its limit · failed 1 time: no schema · off",
  );
});
