import { describe, expect, test } from "vitest";
import type { Interception, MetadataItem } from "../api/types";
import { formatDuration } from "../format/units";
import { describeActions, describeCulprits, describeOutcome, describePoint, metadataLines } from "./interception";

const interception = (changes: Partial<Interception> = {}): Interception => ({
  point: "response-message",
  index: 1,
  actions: [{ kind: "rule", name: "louder", effect: "set text", applied: true }],
  altered: true,
  position: 3,
  count: 1,
  came_us: 1,
  held_us: 0,
  original_size: 4,
  original_held: true,
  metadata: null,
  status: null,
  ...changes,
});
const entry = (key: string, value: string): MetadataItem => ({
  key,
  value,
  binary: false,
  masked: false,
  decoded: null,
});

describe("an interception", () => {
  test("names the item, counted from 1 as in rules", () => {
    expect(describePoint(interception())).toBe("response message 2");
    expect(describePoint(interception({ point: "response-metadata", index: 0 }))).toBe("initial metadata");
  });
  test("names what acted, and for how long it held the item", () => {
    expect(describeActions(interception())).toBe("rule louder: set text");
    expect(describeActions(interception({ held_us: 2_000 }))).toBe(
      `rule louder: set text (held for ${formatDuration(2_000)})`,
    );
  });
  test("says what went on", () => {
    expect(describeOutcome(interception({ altered: false }))).toBe("It went on as it came.");
    expect(describeOutcome(interception({ count: 0 }))).toBe("Nothing went on in its place.");
    expect(describeOutcome(interception({ count: 2 }))).toBe("2 messages went on in its place.");
  });
});

test("what altered a call is named once", () => {
  const fault = { kind: "fault", name: "--fault 1", effect: "drop", applied: true } as const;
  const items = [interception(), interception({ index: 2 }), interception({ actions: [fault] })];
  expect(describeCulprits(items)).toBe("rule louder, fault --fault 1");
});

test("metadata is compared line by line", () => {
  const came = [entry("a", "1"), entry("b", "2")];
  expect(metadataLines(came, [entry("a", "1"), entry("b", "3")])).toEqual([
    { text: "a: 1", differs: false },
    { text: "b: 2", differs: true },
  ]);
  expect(metadataLines(came, null).every(({ differs }) => differs)).toBe(true);
});
