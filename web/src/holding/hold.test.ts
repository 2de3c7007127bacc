import { describe, expect, test } from "vitest";
import { ApiError } from "../api/client";
import type { Hold, HoldDetail, MessageView, Node } from "../api/types";
import {
  budgetOf,
  describePlace,
  describePolicy,
  describeRelease,
  editOf,
  formatLeft,
  type HoldTexts,
  insertionOf,
  isEdited,
  NO_TEXTS,
  placeOf,
  secondsOf,
  textsOf,
  wireFields,
} from "./hold";

const SECOND = 1_000_000;

const hold = (changes: Partial<Hold> = {}): Hold => ({
  id: 1,
  call_id: 7,
  method: "/shop.v1.Shop/Chat",
  peer: "ipv4:127.0.0.1:5",
  point: "request-message",
  index: 2,
  names: ["look"],
  came_us: 100 * SECOND,
  deadline_us: 110 * SECOND,
  release_us: 108 * SECOND,
  release_reason: "shortly before the call's deadline",
  size: 5,
  edited: false,
  over: false,
  ...changes,
});

const detail = (changes: Partial<HoldDetail> = {}): HoldDetail => ({
  ...hold(),
  message: null,
  metadata: null,
  status: null,
  deadline_ms: null,
  added: 0,
  ...changes,
});

const node = (key: string, changes: Partial<Node> = {}): Node =>
  ({ key, kind: "scalar", type: "varint", value: 0, children: [], ...changes }) as unknown as Node;

const texts = (changes: Partial<HoldTexts> = {}): HoldTexts => ({ ...NO_TEXTS, ...changes });

const problemOf = (run: () => unknown): ApiError => {
  try {
    run();
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  throw new Error("expected an ApiError");
};

describe("a held item in words", () => {
  test("counts messages from 1", () => {
    expect(describePlace(hold())).toBe("request message 3");
    expect(describePlace(hold({ point: "response-metadata", index: 0 }))).toBe("initial metadata");
  });
  test("has a budget that drains", () => {
    expect(budgetOf(hold(), 104 * SECOND)).toEqual({ left: 4 * SECOND, share: 0.5 });
    expect(budgetOf(hold(), 120 * SECOND)).toEqual({ left: 0, share: 0 });
    expect(budgetOf(hold({ release_us: null }), 104 * SECOND)).toEqual({ left: null, share: 1 });
  });
  test("says when it is sent, and that it cannot be", () => {
    expect(describeRelease(hold(), 104 * SECOND)).toContain("4.0 s (shortly before the call's deadline)");
    expect(describeRelease(hold({ release_us: null }), 0)).toBe("Held until you decide.");
    expect(describeRelease(hold({ over: true }), 0)).toContain("The call is over");
  });
  test("counts tenths of seconds down", () => {
    expect(formatLeft(59_940_000)).toBe("59.9 s");
    expect(formatLeft(0)).toBe("0.0 s");
  });
  test("has a policy", () => {
    expect(describePolicy({ release: "never", release_after_ms: 0 })).toBe("until you decide");
    expect(describePolicy({ release: "after", release_after_ms: 5_000 })).toMatch(/^for 5/);
    expect(describePolicy({ release: "deadline", release_after_ms: 0 })).toContain("deadline");
  });
});

describe("the texts of an item", () => {
  const view = (changes: Partial<MessageView>) => changes as MessageView;
  test("are its JSON where there is a schema", () => {
    const made = textsOf(detail({ message: view({ json_text: '{"big":"9007199254740993"}', json_cut: false }) }));
    expect(made.json).toContain('"9007199254740993"');
    expect(made.fields).toEqual({});
  });
  test("are its fields by number without one, or where the JSON is cut", () => {
    const wire = node("", { children: [node("1", { value: "a", type: "len string" }), node("3", { value: 5 })] });
    for (const message of [
      view({ json_text: null, json_cut: false, wire }),
      view({ json_text: "{", json_cut: true, wire }),
    ]) {
      const made = textsOf(detail({ message }));
      expect(made.json).toBeNull();
      expect(made.fields).toEqual({ "1": "a", "3": "5" });
      expect(made.numbers).toEqual(["3"]);
    }
  });
  test("name repeated and nested fields by their path", () => {
    const inner = node("2", { children: [node("1", { value: "x" }), node("1", { value: "y" })] });
    const paths = wireFields(node("", { children: [inner, node("2", { children: [node("1", { value: "z" })] })] }));
    expect(paths.map(({ path }) => path)).toEqual(["2.1", "2.1[1]", "2[1].1"]);
  });
});

describe("an edit", () => {
  test("has only what differs", () => {
    const original = texts({ json: "{}", metadata: "a: 1", code: "OK", deadline: "500" });
    expect(isEdited(original, { ...original })).toBe(false);
    expect(editOf(original, original)).toEqual({ body: {}, json: null });
    const edited = { ...original, json: '{"big": 9007199254740993}', metadata: "a: 2", code: "ABORTED", deadline: "" };
    expect(editOf(edited, original)).toEqual({
      body: {
        metadata: [{ key: "a", value: "2", binary: false }],
        status: { code: "ABORTED", message: "" },
        deadline_ms: 0,
      },
      json: '{"big": 9007199254740993}',
    });
  });
  test("of fields by number keeps their kinds", () => {
    const original = texts({ fields: { "1": "a", "3": "5", "4": "6" }, numbers: ["3", "4"] });
    const { body } = editOf({ ...original, fields: { "1": "7", "3": "8", "4": "many" } }, original);
    expect(body.fields).toEqual([
      { path: "1", value: "7" },
      { path: "3", value: 8 },
      { path: "4", value: "many" },
    ]);
  });
  test("that cannot be read is an error with its part", () => {
    const original = texts({ json: "{}", metadata: "", deadline: "" });
    expect(problemOf(() => editOf({ ...original, json: "{" }, original)).field).toBe("json");
    expect(problemOf(() => editOf({ ...original, metadata: "no colon" }, original)).field).toBe("metadata");
    expect(problemOf(() => editOf({ ...original, deadline: "soon" }, original)).field).toBe("deadline_ms");
  });
});

describe("a message to insert", () => {
  test("is JSON, or fields by number", () => {
    expect(insertionOf('{"a": 1}', false)).toEqual({ body: {}, json: '{"a": 1}' });
    expect(insertionOf("1=text\n\n 2.1 = 5\n3=", true)).toEqual({
      body: {
        fields: [
          { path: "1", value: "text" },
          { path: "2.1", value: 5 },
          { path: "3", value: "" },
        ],
      },
      json: null,
    });
  });
  test("that cannot be read is an error", () => {
    expect(problemOf(() => insertionOf("{", false)).message).toContain("Not valid JSON");
    expect(problemOf(() => insertionOf("name=1", true)).message).toContain("NUMBER=VALUE");
    expect(problemOf(() => insertionOf("", true)).field).toBe("fields");
  });
});

test.each([
  ["json.items[0].price", { part: "json", path: "items[0].price" }],
  ["json", { part: "json", path: "" }],
  ["fields[1].path", { part: "fields", path: "3" }],
  ["metadata[0].key", { part: "metadata", path: "" }],
  ["status", { part: "status", path: "" }],
  ["deadline_ms", { part: "deadline_ms", path: "" }],
  ["action", { part: "item", path: "" }],
  ["", { part: "item", path: "" }],
] as const)("an error at %s is shown there", (field, place) => {
  expect(placeOf(new ApiError("no", 422, { field }), texts({ json: "{}" }), ["1", "3"])).toEqual(place);
});

test("an error of JSON that is not shown belongs to the item", () => {
  expect(placeOf(new ApiError("no", 422, { field: "json" }), NO_TEXTS).part).toBe("item");
});

test.each([
  ["30", 30],
  [" 0.5 ", 0.5],
  ["86400", 86_400],
  ["86401", null],
  ["-1", null],
  ["soon", null],
  ["", null],
])("%o is %o seconds", (text, seconds) => {
  expect(secondsOf(text)).toBe(seconds);
});
