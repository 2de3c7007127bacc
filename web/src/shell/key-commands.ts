/** Runs the command of a key event. */

import type { Inspector } from "../state/inspector.svelte";
import { HOLD_KEYS } from "../holding/decisions";
import { type Command, commandOf } from "../state/key-bindings";
import { TABS } from "../state/route";

const DEFAULT_PAGE_ROWS = 15; // if the height of the table is not known

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("input:not([type=checkbox]), textarea, select, [data-typing]");
}

/** Whether the focused control handles the key itself: Enter and arrows may, letters never do. */
function belongsToFocus(command: Command, key: string, target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement) || key.length === 1) return false;
  if (command === "open" && target.closest("button, a, label, summary, [role=treeitem], [role=separator]")) return true;
  const arrows: readonly Command[] = ["next", "previous", "first", "last", "pageDown", "pageUp"];
  return arrows.includes(command) && target.closest("[role=tablist], [role=tree], [data-scrolls], [popover]") !== null;
}

export function handleKey(inspector: Inspector, event: KeyboardEvent): void {
  const target = event.composedPath()[0] ?? null;
  if (event.defaultPrevented || document.querySelector("dialog[open], :popover-open") !== null) return;
  if (isTyping(target)) {
    if (event.key === "Escape" && target instanceof HTMLElement) target.blur();
    return;
  }
  if (runHeldKey(inspector, event)) return;
  const command = commandOf(event);
  if (command === null || belongsToFocus(command, event.key, target)) return;
  event.preventDefault();
  execute(inspector, command);
}

/** While a held item is open, its keys come first; returns whether the key is one. */
function runHeldKey(inspector: Inspector, event: KeyboardEvent): boolean {
  const { commands } = inspector.calls.holding;
  if (commands === null || event.ctrlKey || event.metaKey || event.altKey) return false;
  const command = HOLD_KEYS[event.key];
  if (command === undefined && !(event.key === "Escape" && commands.back())) return false;
  event.preventDefault();
  if (command !== undefined && !event.repeat) commands.run(command);
  return true;
}

function pageRows(rowHeight: number): number {
  const grid = document.querySelector<HTMLElement>("[data-grid] [role=rowgroup]:last-child");
  return grid === null ? DEFAULT_PAGE_ROWS : Math.max(1, Math.floor(grid.clientHeight / rowHeight) - 1);
}

function execute(inspector: Inspector, command: Command): void {
  const { calls } = inspector;
  switch (command) {
    case "next":
      return inspector.move((at) => at + 1);
    case "previous":
      return inspector.move((at) => at - 1);
    case "pageDown":
      return inspector.move((at) => at + pageRows(inspector.table.rowHeight));
    case "pageUp":
      return inspector.move((at) => at - pageRows(inspector.table.rowHeight));
    case "first":
      return inspector.move(() => 0, "jump");
    case "last":
      return inspector.move((_, count) => count - 1, "jump");
    case "extendDown":
      return inspector.extendSelection(1);
    case "extendUp":
      return inspector.extendSelection(-1);
    case "open":
      if (inspector.cursor !== null) inspector.openCall(inspector.cursor);
      return;
    case "close":
      if (inspector.route.held !== null) return inspector.acting.closeHeld();
      if (inspector.route.acting) {
        if (inspector.route.rule === null && inspector.route.breakpoint === null) inspector.acting.close();
        else inspector.acting.showList();
        return;
      }
      if (inspector.selection.size > 0) inspector.clearSelection();
      else if (inspector.open !== null) inspector.close();
      return document.querySelector<HTMLElement>("[data-grid]")?.focus();
    case "filter":
      return document.querySelector<HTMLElement>("[data-filter]")?.focus();
    case "pause":
      if (calls.server.readOnly === "") calls.pause(!calls.paused);
      return;
    case "clear":
      inspector.dialog = "clear";
      return;
    case "help":
      inspector.dialog = "help";
      return;
    case "rules":
      if (inspector.acting.unavailable === "") return inspector.acting.toggle();
      return inspector.notices.show(inspector.acting.unavailable, "quiet");
    case "held":
      return inspector.acting.showNextHeld();
    case "resumeAll":
      return void inspector.acting.resumeAll();
    case "breakpoint":
      return inspector.acting.breakOn();
    case "newRule":
      return void inspector.acting.createFromCall(inspector.current, inspector.route.message);
    case "copy":
      return void inspector.copyGrpcurl();
    case "replay":
      return inspector.confirmReplay();
    case "edit":
      return inspector.edit();
    case "mark":
      return inspector.setMark();
    case "diff":
      return inspector.selection.size > 0 ? inspector.compareSelected() : inspector.compareWithMark();
    case "follow":
      if (calls.server.readOnly === "") inspector.toggleFollow();
      return;
    case "nextMessage":
      return stepMessage(inspector, 1);
    case "previousMessage":
      return stepMessage(inspector, -1);
    case "firstMessage":
      return stepMessage(inspector, -Infinity);
    case "lastMessage":
      return stepMessage(inspector, Infinity);
    default: {
      const tab = TABS[Number(command.slice(3)) - 1];
      if (inspector.open !== null && tab !== undefined) inspector.setTab(tab);
    }
  }
}

function stepMessage(inspector: Inspector, by: number): void {
  const open = inspector.open;
  if (open === null || open.messages.total === 0) return;
  const next = (inspector.route.message ?? (by > 0 ? -1 : open.messages.total)) + by;
  inspector.navigate({ tab: "messages", message: Math.max(0, Math.min(open.messages.total - 1, next)) });
}
