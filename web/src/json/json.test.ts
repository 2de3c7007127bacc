import { describe, expect, test } from "vitest";
import type { Node } from "../api/types";
import { childPath, flatten, openingDepth, toJson } from "./flatten";
import { hexRow } from "./hex";
import { layOut, prettyText } from "./pretty";
import { asText, cut, fromBase64, visible } from "./text";
import { valueOf } from "./value";

const leaf = (key: string, value: unknown, more: Partial<Node> = {}): Node => ({ key, kind: "scalar", value, ...more });
const message = (key: string, ...children: Node[]): Node => ({
  key,
  kind: "message",
  type: "acme.M",
  value: null,
  children,
});

describe("pretty", () => {
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
    expect(prettyText(text).replace(/\s(?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)/g, "")).toBe(text);
    if (!text.includes("9223372036854775807"))
      expect(prettyText(text)).toBe(JSON.stringify(JSON.parse(text), null, 2).replaceAll("-1500000000", "-1.5e9"));
  });
  test("tells keys from strings", () => {
    expect(
      layOut('{"k": "v"}')
        .flatMap(({ tokens }) => tokens)
        .map(({ kind }) => kind),
    ).toEqual(["mark", "key", "mark", "string", "mark"]);
  });
  test("deep nesting is only deep", () => {
    const depth = 50_000;
    expect(layOut("[".repeat(depth) + "1" + "]".repeat(depth))).toHaveLength(2 * depth + 1);
  });
  test("cut-off text ends quietly", () => expect(prettyText('{"a": "b')).toBe('{\n  "a": "b'));
});

describe("flatten", () => {
  const root = message(
    "",
    leaf("id", "1"),
    message("user", leaf("name", "x"), { key: "tags", kind: "list", children: [leaf("0", "a")], more: 3 }),
  );
  test("rows of what is open", () => {
    const rows = flatten(root, { depth: 9, toggled: new Set() });
    expect(rows.map(({ path, depth, more }) => [path, depth, more])).toEqual([
      ["id", 0, 0],
      ["user", 0, 0],
      ["user.name", 1, 0],
      ["user.tags", 1, 0],
      ["user.tags[0]", 2, 0],
      ["user.tags", 2, 3],
    ]);
    expect(flatten(root, { depth: 0, toggled: new Set() }).map(({ path }) => path)).toEqual(["id", "user"]);
    expect(flatten(root, { depth: 0, toggled: new Set(["/1"]) })).toHaveLength(4);
  });
  test("well-known types are closed at first, whatever the depth", () => {
    const when: Node = {
      ...message("when", leaf("seconds", "1")),
      type: "google.protobuf.Timestamp",
      value: "1970-01-01T00:00:01Z",
    };
    expect(flatten(message("", when), { depth: 9, toggled: new Set() })).toHaveLength(1);
  });
  test("paths", () => {
    expect(childPath("m", leaf("a b", 1), { key: "m", kind: "map" })).toBe('m["a b"]');
    expect(childPath("", leaf("a", 1), message(""))).toBe("a");
  });
  test("opens as much as is well read", () => {
    const wide = message("", ...Array.from({ length: 50 }, (_, at) => message(`m${at}`, leaf("a", 1), leaf("b", 2))));
    expect(openingDepth(wide, 60)).toBe(0);
    expect(openingDepth(wide, 200)).toBeGreaterThan(0);
  });
  test("without recursion", () => {
    let node = leaf("end", "x");
    for (let at = 0; at < 20_000; at++) node = message("m", node);
    expect(flatten(message("", node), { depth: 0, toggled: new Set(), all: true })).toHaveLength(20_001);
  });
  test("as JSON", () => expect(toJson(root)).toEqual({ id: "1", user: { name: "x", tags: ["a"] } }));
});

describe("text", () => {
  test("what fonts hide or reorder becomes visible", () => {
    expect(visible("a\u202eb\u200bc\ufeff\u0000\n\ud800")).toBe("a\\u202eb\\u200bc\\ufeff\\u0000\\n\\ud800");
    expect(visible("\u{e0041}")).toBe("\\u{e0041}");
    expect(visible("ünïcødé 猫 🐈 שלום")).toBe("ünïcødé 猫 🐈 שלום");
  });
  test("cuts between characters", () => expect(cut("ab🐈cd", 3)).toEqual({ text: "ab", left: 4 }));
  test("bytes", () => {
    expect(asText(fromBase64(btoa("hello")))).toBe("hello");
    expect(asText(fromBase64("AP8="))).toBeNull();
    expect(fromBase64("not base64!")).toHaveLength(0);
    expect(hexRow(new Uint8Array([0, 65, 255]), 0)).toMatchObject({ offset: "00000000", text: "·A·" });
  });
});

describe("values", () => {
  test("enums have name and number, large integers all their digits", () => {
    expect(valueOf({ key: "e", kind: "enum", value: "MOOD_WILD", enum_number: 2 })).toMatchObject({
      text: "MOOD_WILD",
      beside: "2",
      tone: "word",
    });
    expect(valueOf(leaf("i", "9223372036854775807", { type: "int64" }))).toMatchObject({
      text: "9223372036854775807",
      tone: "number",
    });
  });
  test("bytes are text or hex, as asked", () => {
    const node: Node = { key: "b", kind: "bytes", value: btoa("hi") };
    expect(valueOf(node).text).toBe('"hi"');
    expect(valueOf(node, true).text).toBe("68 69");
    expect(valueOf({ ...node, value: "AP8=" }).text).toBe("00 ff");
  });
  test("long strings are cut and say by how much", () => {
    const value = valueOf(leaf("s", "x".repeat(1000)));
    expect([value.left, value.full.length]).toEqual([600, 1000]);
  });
});
