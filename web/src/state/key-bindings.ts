/** Key bindings: which command a key event triggers. Pure. Tab is never bound. */

export type Command =
  | "next"
  | "previous"
  | "pageDown"
  | "pageUp"
  | "first"
  | "last"
  | "extendDown"
  | "extendUp"
  | "open"
  | "close"
  | "filter"
  | "pause"
  | "clear"
  | "copy"
  | "replay"
  | "edit"
  | "mark"
  | "diff"
  | "follow"
  | "help"
  | "rules"
  | "newRule"
  | "breakpoint"
  | "held"
  | "resumeAll"
  | "nextMessage"
  | "previousMessage"
  | "firstMessage"
  | "lastMessage"
  | "tab1"
  | "tab2"
  | "tab3"
  | "tab4"
  | "tab5"
  | "tab6";

interface Key {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly shiftKey: boolean;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  j: "next",
  ArrowDown: "next",
  k: "previous",
  ArrowUp: "previous",
  PageDown: "pageDown",
  PageUp: "pageUp",
  Home: "first",
  End: "last",
  J: "extendDown",
  K: "extendUp",
  Enter: "open",
  Escape: "close",
  "/": "filter",
  p: "pause",
  X: "clear",
  c: "copy",
  r: "replay",
  e: "edit",
  m: "mark",
  d: "diff",
  f: "follow",
  "?": "help",
  a: "rules",
  w: "newRule",
  b: "breakpoint",
  h: "held",
  R: "resumeAll",
  "]": "nextMessage",
  "[": "previousMessage",
  "}": "lastMessage",
  "{": "firstMessage",
  "1": "tab1",
  "2": "tab2",
  "3": "tab3",
  "4": "tab4",
  "5": "tab5",
  "6": "tab6",
};

export function commandOf(key: Key): Command | null {
  if (key.ctrlKey || key.metaKey || key.altKey) return null;
  if (key.shiftKey && key.key === "ArrowDown") return "extendDown";
  if (key.shiftKey && key.key === "ArrowUp") return "extendUp";
  return COMMANDS[key.key] ?? null;
}

/** Key bindings for the help dialog. Those with `sendsCalls` are omitted for a read-only file. */
export const HELP: readonly {
  readonly keys: readonly string[];
  readonly description: string;
  readonly sendsCalls?: boolean;
}[] = [
  { keys: ["j", "k", "↓", "↑"], description: "next, previous call" },
  { keys: ["PgUp", "PgDn", "Home", "End"], description: "page up, page down, first, last call" },
  { keys: ["Shift", "J", "K", "↓", "↑"], description: "select several calls; Shift or Ctrl and a click do, too" },
  { keys: ["Enter", "Esc"], description: "open, close the call" },
  { keys: ["1", "–", "6"], description: "tabs of the open call" },
  { keys: ["[", "]"], description: "previous, next message" },
  { keys: ["{", "}"], description: "first, last message" },
  { keys: ["/"], description: "filter" },
  { keys: ["p"], description: "pause, resume" },
  { keys: ["Shift", "X"], description: "clear the view or the history" },
  { keys: ["c"], description: "copy as grpcurl" },
  { keys: ["r"], description: "replay, with your edits if there are any (press twice)", sendsCalls: true },
  { keys: ["e"], description: "edit and replay", sendsCalls: true },
  { keys: ["m", "d"], description: "mark a call or message, compare with the mark or two selected calls" },
  { keys: ["f"], description: "follow the newest call or message" },
  { keys: ["a"], description: "rules, faults and breakpoints: what acts on traffic", sendsCalls: true },
  { keys: ["w"], description: "write a rule from the call or the selected message", sendsCalls: true },
  { keys: ["b"], description: "set a breakpoint on the method of the call", sendsCalls: true },
  { keys: ["h"], description: "open the held item that waits longest, or the next one", sendsCalls: true },
  { keys: ["Shift", "R"], description: "resume all: send everything that is held", sendsCalls: true },
  { keys: ["?"], description: "help" },
];
