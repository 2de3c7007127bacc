/** The page's keys. Pure: an event in, a command out; none while somebody types, and never for Tab. */

export type Command =
  | "next"
  | "previous"
  | "pageDown"
  | "pageUp"
  | "first"
  | "last"
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
  return COMMANDS[key.key] ?? null;
}

/** What the keys do, for the help dialog; what `sends` is not offered where calls are only looked at. */
export const HELP: readonly { readonly keys: readonly string[]; readonly does: string; readonly sends?: boolean }[] = [
  { keys: ["j", "k", "↓", "↑"], does: "next and previous call" },
  { keys: ["PgUp", "PgDn", "Home", "End"], does: "a page, the first, the last" },
  { keys: ["Enter", "Esc"], does: "open and close the call" },
  { keys: ["1", "–", "6"], does: "tabs of the open call" },
  { keys: ["[", "]"], does: "previous and next message" },
  { keys: ["{", "}"], does: "first and last message" },
  { keys: ["/"], does: "filter" },
  { keys: ["p"], does: "pause the view, and catch up" },
  { keys: ["Shift", "X"], does: "clear…" },
  { keys: ["c"], does: "copy as grpcurl" },
  { keys: ["r"], does: "replay as recorded", sends: true },
  { keys: ["e"], does: "edit and replay", sends: true },
  { keys: ["m", "d"], does: "mark a call, diff with the mark" },
  { keys: ["f"], does: "follow the newest" },
  { keys: ["?"], does: "this help" },
];
