import { expect, test } from "vitest";
import { ACTIONS, actionsOf, decisionOf, HOLD_KEYS, isPossible, keepsEdit } from "./decisions";

const at = (point: Parameters<typeof actionsOf>[0]["point"], over = false) =>
  actionsOf({ point, over }).map(({ command }) => command);

test("each action has a key of its own", () => {
  expect(new Set(ACTIONS.map(({ key }) => key)).size).toBe(ACTIONS.length);
  expect(HOLD_KEYS).toMatchObject({ s: "send", I: "insertBefore", i: "insertAfter", x: "drop", r: "replay" });
});

test("what is possible depends on the point", () => {
  expect(at("request-message")).toEqual(ACTIONS.map(({ command }) => command));
  expect(at("half-close")).toEqual(["send", "step", "run", "insertBefore", "answer", "cancel"]);
  expect(at("status")).toContain("insertBefore");
  expect(at("status")).not.toContain("insertAfter");
  expect(at("start")).toEqual(["send", "edit", "step", "run", "answer", "cancel"]);
});

test("of an item whose call is over, the edit can be replayed", () => {
  expect(at("request-message", true)).toEqual(["replay", "drop"]);
  expect(isPossible("send", { point: "request-message", over: true })).toBe(false);
  expect(isPossible("replay", { point: "request-message", over: false })).toBe(false);
});

test("a command is a decision of the API", () => {
  expect(decisionOf("send")).toEqual({ action: "send" });
  expect(decisionOf("step")).toEqual({ action: "send", then: "step" });
  expect(decisionOf("run")).toEqual({ action: "send", then: "run" });
  expect(decisionOf("insertBefore")).toEqual({ action: "insert-before" });
  expect(decisionOf("insertAfter")).toEqual({ action: "insert-after" });
  expect(decisionOf("cancel")).toEqual({ action: "cancel" });
});

test("an edit is saved before what does not take it", () => {
  expect(ACTIONS.filter(({ command }) => keepsEdit(command)).map(({ command }) => command)).toEqual([
    "duplicate",
    "insertBefore",
    "insertAfter",
  ]);
});
