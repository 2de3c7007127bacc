/** What can be done with a held item: names, keys and where it is possible. Pure. */

import type { Hold, HoldDecision } from "../api/types";

export type Insertion = "insertBefore" | "insertAfter";

export type HoldCommand =
  "send" | "edit" | "drop" | "duplicate" | Insertion | "answer" | "cancel" | "step" | "run" | "replay";

interface HoldAction {
  readonly command: HoldCommand;
  readonly key: string;
  readonly label: string;
  readonly description: string;
  /** Where it is possible; everywhere without it. */
  readonly at?: readonly Hold["point"][];
}

const MESSAGES: readonly Hold["point"][] = ["request-message", "response-message"];
const INSERTION_POINTS: readonly Hold["point"][] = [...MESSAGES, "half-close", "status"];
const CONTENT_POINTS: readonly Hold["point"][] = [
  ...MESSAGES,
  "start",
  "request-metadata",
  "response-metadata",
  "status",
];

/** In the order of the buttons, and of the help. */
export const ACTIONS: readonly HoldAction[] = [
  { command: "send", key: "s", label: "Send", description: "send it, with your edit if there is one" },
  { command: "edit", key: "e", label: "Edit", description: "edit it; Ctrl+Enter sends", at: CONTENT_POINTS },
  { command: "step", key: "n", label: "Step", description: "send it, and hold the next item of its call" },
  { command: "run", key: "o", label: "Run", description: "send it, and hold nothing of its call any more" },
  { command: "drop", key: "x", label: "Drop", description: "drop it: it does not go on", at: MESSAGES },
  { command: "duplicate", key: "u", label: "Duplicate", description: "send it twice", at: MESSAGES },
  {
    command: "insertBefore",
    key: "I",
    label: "Insert before…",
    description: "send another message before it",
    at: INSERTION_POINTS,
  },
  {
    command: "insertAfter",
    key: "i",
    label: "Insert after…",
    description: "send it, and another message after it",
    at: MESSAGES,
  },
  { command: "answer", key: "t", label: "Answer…", description: "end its call with a status" },
  { command: "cancel", key: "c", label: "Cancel call", description: "cancel its call on both sides" },
];

/** Of an item whose call is over. */
const OVER: readonly HoldAction[] = [
  { command: "replay", key: "r", label: "Edit and replay", description: "take the edit over into a replay" },
  { command: "drop", key: "x", label: "Discard", description: "forget this item and its edit" },
];

/** The keys of the open item. */
export const HOLD_KEYS: Readonly<Record<string, HoldCommand>> = Object.fromEntries(
  [...ACTIONS, ...OVER].map(({ key, command }) => [key, command]),
);

/** What is possible with an item. */
export const actionsOf = ({ point, over }: Pick<Hold, "point" | "over">): readonly HoldAction[] =>
  over ? OVER : ACTIONS.filter(({ at }) => at?.includes(point) ?? true);

export const isPossible = (command: HoldCommand, hold: Pick<Hold, "point" | "over">): boolean =>
  actionsOf(hold).some((action) => action.command === command);

/** Whether the item's own edit is saved before, as the decision itself does not take it. */
export const keepsEdit = (command: HoldCommand): boolean =>
  command === "duplicate" || command === "insertBefore" || command === "insertAfter";

/** The action of a decision, and how the call goes on. */
export function decisionOf(command: HoldCommand): Pick<HoldDecision, "action" | "then"> {
  switch (command) {
    case "step":
      return { action: "send", then: "step" };
    case "run":
      return { action: "send", then: "run" };
    case "insertBefore":
      return { action: "insert-before" };
    case "insertAfter":
      return { action: "insert-after" };
    case "drop":
    case "duplicate":
    case "answer":
    case "cancel":
      return { action: command };
    default:
      return { action: "send" };
  }
}
