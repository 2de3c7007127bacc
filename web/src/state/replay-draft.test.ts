import { expect, test } from "vitest";
import { isEdited, replayRequest } from "./replay-draft";

test("only what was edited is sent", () => {
  expect(replayRequest({})).toEqual({ body: {}, messages: null });
  expect(replayRequest({ target: " localhost:1 ", deadline: "250", timing: "turns", metadata: "a: b" })).toEqual({
    body: {
      target: "localhost:1",
      deadline_ms: 250,
      timing: "turns",
      metadata: [{ key: "a", value: "b", binary: false }],
    },
    messages: null,
  });
  expect(replayRequest({ source: "came" }).body).toEqual({ source: "came" });
  expect(isEdited({ source: "came" })).toBe(true);
  expect(replayRequest({ through: true }).body).toEqual({ through_rules: true });
  expect(isEdited({ through: true })).toBe(true);
  expect(replayRequest({ deadline: "" }).body).toEqual({ deadline_ms: 0 });
});

test("messages keep their text", () => {
  expect(replayRequest({ text: '{"big": 9007199254740993}', single: true }).messages).toBe(
    '[{"big": 9007199254740993}]',
  );
  expect(replayRequest({ text: "[{}, {}]", single: false }).messages).toBe("[{}, {}]");
  expect(() => replayRequest({ text: "{", single: true })).toThrow("Not valid JSON");
});

test("a draft without fields is not an edit", () => {
  expect(isEdited({})).toBe(false);
  expect(isEdited({ single: true })).toBe(false);
  expect(isEdited({ deadline: "" })).toBe(true);
});
