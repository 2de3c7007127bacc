import { describe, expect, test } from "vitest";
import { ApiError } from "../api/client";
import type { RuleTrialResult, Summary, TriedItem } from "../api/types";
import { sampleCall } from "../feed/sample-call";
import { nameOf, tableText } from "./acting.svelte";
import { problemRange } from "./rule-problem";
import { emptyRule, faultOf, freeName, metadataTerms, ruleFromMessage, ruleFromStatus } from "./rule-template";
import { findKey, keySteps, matchOf, withMatch } from "./rule-text";
import { changeLines, describeTrial, itemPlace, outcome } from "./trial";

const TEXT = '{\n  "match": "method:Get",\n  "do": [{ "set": "a", "to": 1 }, { "set": "b..", "to": 2 }]\n}';
const at = (key: string): string | null => {
  const range = findKey(TEXT, key);
  return range === null ? null : TEXT.slice(range.from, range.to);
};

describe("a key of the API in the text of a rule", () => {
  test("is found, or the nearest that has it", () => {
    expect(keySteps("do[1].set")).toEqual(["do", 1, "set"]);
    expect(at("do[1].set")).toBe('"set": "b.."');
    expect(at("do[1]")).toBe('{ "set": "b..", "to": 2 }');
    expect(at("do[1].regex")).toBe('{ "set": "b..", "to": 2 }');
    expect(at("when.index")).toBeNull();
    expect(findKey("not json", "match")).toBeNull();
  });
  test("is marked from the column on that is wrong", () => {
    const range = problemRange(TEXT, new ApiError("no such term", 422, { field: "match", column: 7 }));
    expect(range && TEXT.slice(range.from, range.to)).toBe('Get"');
    expect(problemRange(TEXT, new ApiError("why", 422))).toBeNull();
  });
});

test("another match leaves the rest as it was typed", () => {
  expect(matchOf(TEXT)).toBe("method:Get");
  expect(withMatch(TEXT, 'meta:x="a b"')).toBe(TEXT.replace("method:Get", 'meta:x=\\"a b\\"'));
  expect(matchOf('{"match": 1}')).toBeNull();
  expect(withMatch("{}", "x")).toBe("{}");
});

const call: Summary = { ...sampleCall(7), method: "/shop.v1.Cart/Get" };

describe("a rule from a call", () => {
  test("has the message with every digit", () => {
    const text = ruleFromMessage(call, { direction: "response", number: 2, text: '{"id":9007199254740993}' }, ["Get"]);
    expect(text).toContain("9007199254740993");
    expect(JSON.parse(text)).toEqual({
      name: "Get 2",
      match: "method:/shop.v1.Cart/Get",
      when: { point: "response-message", index: 2 },
      do: [{ message: { id: 9007199254740992 } }],
    });
  });
  test("of a message without a schema delays", () => {
    const text = ruleFromMessage(call, { direction: "request", number: null, text: null }, []);
    expect(JSON.parse(text)).toMatchObject({ when: { point: "request-message" }, do: [{ delay: "500ms" }] });
  });
  test("that failed has its status", () => {
    const failed = { ...call, status: { code: 5, name: "NOT_FOUND", message: 'no "cart"' } };
    expect(JSON.parse(ruleFromStatus(failed, []))).toMatchObject({
      when: { point: "status" },
      do: [{ status: "NOT_FOUND", message: 'no "cart"' }],
    });
  });
  test("or a fault of its method is named for it", () => {
    expect(JSON.parse(faultOf(call, "status", []))).toMatchObject({ name: "Get fails", status: "UNAVAILABLE" });
    expect(JSON.parse(faultOf(call, "delay", []))).toMatchObject({ name: "slow Get", delay: "1s" });
    expect(freeName("a", ["a", "a 2"])).toBe("a 3");
    expect(nameOf(emptyRule("fault", []))).toBe("my fault");
    expect(nameOf('{"name": "half')).toBe("");
    expect(nameOf('{"name": "half", ')).toBe("half");
  });
  test("may be narrowed by its own metadata, but not by secrets", () => {
    const item = (key: string, value: string, masked = false) => ({ key, value, masked, binary: false, decoded: null });
    expect(
      metadataTerms([
        item("user-agent", "x"),
        item("grpc-timeout", "1S"),
        item("x-tenant", "42"),
        item("x-user", "a b"),
        item("authorization", "••", true),
      ]),
    ).toEqual(["meta:x-tenant=42", 'meta:x-user="a b"']);
  });
});

test("the text of one rule is taken from that of a file", () => {
  const json = '{\n  "rule": [\n    {\n      "name": "a",\n      "do": [\n        1\n      ]\n    }\n  ]\n}\n';
  expect(tableText(json)).toBe('{\n  "name": "a",\n  "do": [\n    1\n  ]\n}');
});

const trial = (changes: Partial<RuleTrialResult>): RuleTrialResult => ({
  description: "",
  tried: 10,
  matched: 3,
  acted: 3,
  failures: 0,
  last_error: "",
  skipped: 0,
  calls: [],
  ...changes,
});
const item = (changes: Partial<TriedItem>): TriedItem => ({
  point: "response-message",
  index: 1,
  effects: ["set text"],
  count: 1,
  changes: [],
  ends_with: null,
  delay_us: 0,
  never: false,
  ...changes,
});

test("a dry run says what it found", () => {
  expect(describeTrial(trial({}))).toBe("Would have acted on 3 of the 10 calls in memory.");
  expect(describeTrial(trial({ acted: 1 }))).toBe("Would have acted on 1 of the 10 calls in memory; 3 match.");
  expect(describeTrial(trial({ matched: 0, acted: 0 }))).toBe("Matches none of the 10 calls in memory.");
  expect(describeTrial(trial({ tried: 0 }))).toBe("No calls in memory to try it on.");
  expect(itemPlace(item({}))).toBe("response message 2");
  expect(itemPlace(item({ point: "half-close" }))).toBe("half-close");
  expect(outcome(item({ count: 0 }))).toBe("set text → does not go on");
  expect(outcome(item({ ends_with: { code: 10, name: "ABORTED", message: "" }, delay_us: 1_000 }))).toBe(
    "set text → the call ends with ABORTED → after 1.00\u00a0ms",
  );
  const change = { where: "", path: "a", kind: "added" as const, left: null, right: "x" };
  expect(changeLines(item({ changes: [change] }))).toEqual([{ path: "a", left: null, right: '"x"' }]);
});
