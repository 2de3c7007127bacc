import { describe, expect, test } from "vitest";
import type { Node } from "../api/types";
import { childPath, flattenTree, initialDepth, toJson } from "./tree-rows";
import { hexRow } from "./hex-dump";
import { tokenizeJson, formatJson } from "./json-lines";
import { decodeUtf8, truncateText, decodeBase64, escapeInvisible } from "./text";
import { displayValue } from "./display-value";

const node = (key: string, kind: Node["kind"], more: Partial<Node> = {}): Node => ({
  key,
  number: null,
  kind,
  type: "",
  value: null,
  children: [],
  note: "",
  more: 0,
  ...more,
});
const leaf = (key: string, value: unknown, more: Partial<Node> = {}): Node => node(key, "scalar", { value, ...more });
const message = (key: string, ...children: Node[]): Node => node(key, "message", { type: "acme.M", children });

describe("JSON lines", () => {
  test.each([
    '{"a":1}',
    "[]",
    "{}",
    '{"a":[],"b":{}}',
    '[1,[2,{"c":"d\\"e, }"}],null,true,-1.5e9]',
    '"x"',
    "0",
    '{"big":9223372036854775807}',
  ])("is the same JSON: %s", (text) => {
    expect(formatJson(text).replace(/\s(?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)/g, "")).toBe(text);
    if (!text.includes("9223372036854775807"))
      expect(formatJson(text)).toBe(JSON.stringify(JSON.parse(text), null, 2).replaceAll("-1500000000", "-1.5e9"));
  });
  test("distinguishes keys from strings", () => {
    expect(
      tokenizeJson('{"k": "v"}')
        .flatMap(({ tokens }) => tokens)
        .map(({ kind }) => kind),
    ).toEqual(["mark", "key", "mark", "string", "mark"]);
  });
  test("handles deep nesting", () => {
    const depth = 50_000;
    expect(tokenizeJson("[".repeat(depth) + "1" + "]".repeat(depth))).toHaveLength(2 * depth + 1);
  });
  test("accepts truncated text", () => expect(formatJson('{"a": "b')).toBe('{\n  "a": "b'));
});

describe("tree rows", () => {
  const root = message(
    "",
    leaf("id", "1"),
    message("user", leaf("name", "x"), node("tags", "list", { children: [leaf("0", "a")], more: 3 })),
  );
  test("has rows for expanded nodes", () => {
    const rows = flattenTree(root, { depth: 9, toggled: new Set() });
    expect(rows.map(({ path, depth, more }) => [path, depth, more])).toEqual([
      ["id", 0, 0],
      ["user", 0, 0],
      ["user.name", 1, 0],
      ["user.tags", 1, 0],
      ["user.tags[0]", 2, 0],
      ["user.tags", 2, 3],
    ]);
    expect(flattenTree(root, { depth: 0, toggled: new Set() }).map(({ path }) => path)).toEqual(["id", "user"]);
    expect(flattenTree(root, { depth: 0, toggled: new Set(["/1"]) })).toHaveLength(4);
  });
  test("collapses well-known types initially", () => {
    const when: Node = {
      ...message("when", leaf("seconds", "1")),
      type: "google.protobuf.Timestamp",
      value: "1970-01-01T00:00:01Z",
    };
    expect(flattenTree(message("", when), { depth: 9, toggled: new Set() })).toHaveLength(1);
  });
  test("paths", () => {
    expect(childPath("m", leaf("a b", 1), node("m", "map"))).toBe('m["a b"]');
    expect(childPath("", leaf("a", 1), message(""))).toBe("a");
  });
  test("limits the number of rows expanded initially", () => {
    const wide = message("", ...Array.from({ length: 50 }, (_, at) => message(`m${at}`, leaf("a", 1), leaf("b", 2))));
    expect(initialDepth(wide, 60)).toBe(0);
    expect(initialDepth(wide, 200)).toBeGreaterThan(0);
  });
  test("does not recurse", () => {
    let node = leaf("end", "x");
    for (let at = 0; at < 20_000; at++) node = message("m", node);
    expect(flattenTree(message("", node), { depth: 0, toggled: new Set(), all: true })).toHaveLength(20_001);
  });
  test("converts to JSON", () => expect(toJson(root)).toEqual({ id: "1", user: { name: "x", tags: ["a"] } }));
});

describe("text", () => {
  test("escapes invisible and reordering characters", () => {
    expect(escapeInvisible("a\u202eb\u200bc\ufeff\u0000\n\ud800")).toBe("a\\u202eb\\u200bc\\ufeff\\u0000\\n\\ud800");
    expect(escapeInvisible("\u{e0041}")).toBe("\\u{e0041}");
    expect(escapeInvisible("ünïcødé 猫 🐈 שלום")).toBe("ünïcødé 猫 🐈 שלום");
  });
  test("truncates between characters", () => expect(truncateText("ab🐈cd", 3)).toEqual({ text: "ab", left: 4 }));
  test("bytes", () => {
    expect(decodeUtf8(decodeBase64(btoa("hello")))).toBe("hello");
    expect(decodeUtf8(decodeBase64("AP8="))).toBeNull();
    expect(decodeBase64("not base64!")).toHaveLength(0);
    expect(hexRow(new Uint8Array([0, 65, 255]), 0)).toMatchObject({ offset: "00000000", text: "·A·" });
  });
});

describe("values", () => {
  test("shows enums with number and large integers with all digits", () => {
    expect(displayValue(node("e", "enum", { value: "MOOD_WILD", enum_number: 2 }))).toMatchObject({
      text: "MOOD_WILD",
      annotation: "2",
      tone: "word",
    });
    expect(displayValue(leaf("i", "9223372036854775807", { type: "int64" }))).toMatchObject({
      text: "9223372036854775807",
      tone: "number",
    });
  });
  test("shows bytes as text or hex", () => {
    const bytes = node("b", "bytes", { value: btoa("hi") });
    expect(displayValue(bytes).text).toBe('"hi"');
    expect(displayValue(bytes, true).text).toBe("68 69");
    expect(displayValue({ ...bytes, value: "AP8=" }).text).toBe("00 ff");
  });
  test("truncates long strings", () => {
    const value = displayValue(leaf("s", "x".repeat(1000)));
    expect([value.left, value.full.length]).toEqual([600, 1000]);
  });
});
